"""Requests for proposals and their files, each under the id of its request."""

import os

from django.core.validators import FileExtensionValidator
from django.db import models


def info_document_path(instance, filename):
    """Returns the key of an information document."""
    return f"rfp_info_documents/{instance.rfp.id}/{filename}"


def question_document_path(instance, filename):
    """Returns the key of a question spreadsheet."""
    return f"rfp_question_documents/{instance.rfp.id}/{filename}"


def export_path(instance, filename):
    """Returns the key of an export."""
    return f"rfp_exports/{instance.rfp.id}/{filename}"


class RFP(models.Model):
    """A request for proposals."""

    title = models.CharField(max_length=200)


class TypedFile(models.Model):
    """What both kinds of uploaded document keep beside the file; filled in at every save."""

    title = models.CharField(max_length=500)
    file_type = models.CharField(max_length=100, blank=True)
    file_size = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        abstract = True

    def save(self, *args, **kwargs):
        if self.file:
            self.file_size = self.file.size
            self.file_type = os.path.splitext(self.file.name)[1].lstrip(".")
        super().save(*args, **kwargs)


class RFPInformationDocument(TypedFile):
    """A document that tells about a request."""

    rfp = models.ForeignKey(RFP, on_delete=models.CASCADE)
    file = models.FileField(
        upload_to=info_document_path,
        validators=[FileExtensionValidator(["pdf", "doc", "docx", "txt", "md"])],
    )


class RFPQuestionDocument(TypedFile):
    """A spreadsheet of questions."""

    rfp = models.ForeignKey(RFP, on_delete=models.CASCADE)
    file = models.FileField(
        upload_to=question_document_path,
        validators=[FileExtensionValidator(["xlsx", "xls", "csv"])],
    )


class RFPExport(models.Model):
    """A generated export of answers. It is always reached by its file field, so it keeps no key."""

    rfp = models.ForeignKey(RFP, on_delete=models.CASCADE)
    export_file = models.FileField(
        upload_to=export_path,
        validators=[FileExtensionValidator(["xlsx", "xls", "csv", "pdf", "docx"])],
    )
    version = models.CharField(max_length=50)
    file_size = models.PositiveIntegerField(null=True, blank=True)
    question_count = models.IntegerField()
    answered_count = models.IntegerField()
