"""Scraping: pages are written by key, without a file field."""

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from solution_library.models import Document
from storage import validate_s3_connectivity


def sync_page(source_id, filename, content):
    """Stores a scraped page and returns its document. The key may have got a suffix."""
    validate_s3_connectivity()
    data = content.encode("utf-8")
    key = default_storage.save(f"scraped/{source_id}/{filename}", ContentFile(data))
    return adopt_page(key, filename, len(data))


def adopt_page(key, title, size):
    """Returns a document for a page that is in the bucket already."""
    return Document.objects.create(
        title=title, s3_key=key, file_size=size, file_type=key.rsplit(".", 1)[-1].lower()
    )
