"""The library: documents that users upload, scraped pages, and the chunks that embeddings are made of."""

import hashlib

from django.core.files.storage import default_storage
from django.core.validators import FileExtensionValidator
from django.db import models

from storage import read_text_from_storage, validate_s3_connectivity

DOCUMENT_EXTENSIONS = (
    "pdf doc docx txt md html htm rtf odt xls xlsx csv ppt pptx".split()
)


class Document(models.Model):
    """A document of the library. One that was scraped has a key and no file."""

    title = models.CharField(max_length=500)
    file = models.FileField(
        upload_to="documents/", blank=True, validators=[FileExtensionValidator(DOCUMENT_EXTENSIONS)]
    )
    s3_key = models.CharField(max_length=500, blank=True)
    file_type = models.CharField(max_length=100, blank=True)
    file_size = models.PositiveIntegerField(null=True, blank=True)
    content_hash = models.CharField(max_length=64, blank=True, db_index=True)

    def clean(self):
        super().clean()
        if self.file and not self.pk:
            validate_s3_connectivity()

    def save(self, *args, **kwargs):
        super().save(*args, **kwargs)
        if self.file and self.s3_key != self.file.name:
            self.s3_key = self.file.name
            self.file_size = self.file.size
            self.file_type = self.file.name.rsplit(".", 1)[-1].lower()
            with default_storage.open(self.s3_key, "rb") as file:
                self.content_hash = hashlib.sha256(file.read()).hexdigest()
            super().save(update_fields=["s3_key", "file_size", "file_type", "content_hash"])


class DocumentEmbedding(models.Model):
    """One chunk of a document; its text is in the bucket."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="embeddings")
    chunk_s3_key = models.CharField(max_length=500)
    chunk_index = models.IntegerField()
    chunk_size = models.PositiveIntegerField()

    def get_chunk_text(self):
        """Returns the text of the chunk."""
        return read_text_from_storage(self.chunk_s3_key)
