"""Chunk texts for embeddings, and reading whole documents to cut them up."""

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from solution_library.models import DocumentEmbedding
from storage import read_text_from_storage


def store_chunk(document_id, chunk_index, text):
    """Stores the text of one chunk and returns the key that it got."""
    wanted = f"chunks/{document_id}/chunk_{chunk_index}.txt"
    return default_storage.save(wanted, ContentFile(text.encode("utf-8")))


def embed(document, size):
    """Cuts the document into chunks of `size` characters, stores them and returns their rows."""
    text = read_document_content(document)
    chunks = [text[start : start + size] for start in range(0, len(text), size)]
    return [adopt_chunk(document, i, store_chunk(document.id, i, chunk), chunk) for i, chunk in enumerate(chunks)]


def adopt_chunk(document, index, key, text):
    """Returns the row of a chunk that is in the bucket already."""
    return DocumentEmbedding.objects.create(
        document=document, chunk_s3_key=key, chunk_index=index, chunk_size=len(text.encode("utf-8"))
    )


def read_document_content(document):
    """Returns the text of a document, whether it was scraped or uploaded."""
    if document.s3_key and not document.file:
        return read_text_from_storage(document.s3_key)
    with document.file.open("r") as file:
        return file.read()
