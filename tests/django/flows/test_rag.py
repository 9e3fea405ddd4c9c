"""Chunk texts: written by key, read back by key, never replaced."""

import errno

from rag.services.embeddings import adopt_chunk, embed, store_chunk
from samples import page
from sides import TwoSides
from solution_library.models import Document, DocumentEmbedding
from solution_library.services.sync import sync_page


class Chunks(TwoSides):
    """Chunks of one document, in a directory of their own."""

    def setUp(self):
        self.document = Document.objects.create(title="Chunked")
        self.id = self.document.id

    def again(self, row):
        return DocumentEmbedding.objects.get(pk=row.pk)

    def test_embedded_by_django_is_read_in_the_mount(self):
        text = "".join(page(f"Chapter {i} – Größe") for i in range(40))
        document = sync_page(f"chunked-{self.id}", "book.md", text)
        chunks = embed(document, 500)
        self.assertGreater(len(chunks), 3)
        first = f"chunks/{document.id}/chunk_0.txt"
        self.assertEqual(chunks[0].chunk_s3_key, first)
        self.wait_for(chunks[-1].chunk_s3_key)
        together = b"".join(self.path(chunk.chunk_s3_key).read_bytes() for chunk in chunks)
        self.assertEqual(together, text.encode())
        for chunk in (chunks[0], chunks[-1]):
            self.assert_on_both_sides(chunk.chunk_s3_key, self.again(chunk).get_chunk_text().encode())
            self.assertEqual(self.path(chunk.chunk_s3_key).stat().st_size, chunk.chunk_size)

    def test_written_in_the_mount_is_read_as_an_embedding(self):
        text = page("by hand")
        self.path(f"chunks/{self.id}").mkdir()
        key = f"chunks/{self.id}/chunk_7.txt"
        self.path(key).write_text(text, encoding="utf-8")
        row = self.again(adopt_chunk(self.document, 7, key, text))
        self.assertEqual(row.get_chunk_text(), text)
        self.assert_on_both_sides(key, text.encode())

    def test_stored_again_over_a_chunk_of_the_mount_gets_a_suffix(self):
        key = f"chunks/{self.id}/chunk_0.txt"
        self.path(f"chunks/{self.id}").mkdir()
        self.path(key).write_text("from the mount")
        again = store_chunk(self.id, 0, "from Django")
        self.assert_alternative(again, key)
        self.assert_on_both_sides(key, b"from the mount")
        self.assert_on_both_sides(again, b"from Django")

    def test_written_in_the_mount_over_a_chunk_of_django_gets_a_suffix(self):
        key = store_chunk(self.id, 0, "from Django")
        self.wait_for(key)
        before = self.names(f"chunks/{self.id}")
        self.path(key).write_text("from the mount")
        suffixed = self.new_name(f"chunks/{self.id}", before)
        self.assert_alternative(suffixed, key)
        self.assert_on_both_sides(key, b"from Django")
        self.assert_on_both_sides(suffixed, b"from the mount")

    def test_name_that_is_no_chunk_is_refused(self):
        store_chunk(self.id, 0, "a chunk")
        self.wait_for(f"chunks/{self.id}/chunk_0.txt")
        for name in ("notes.txt", "chunk_1.md", "chunk.txt", "chunk_1"):
            with self.assertRaises(PermissionError, msg=name) as refusal:
                (self.path(f"chunks/{self.id}") / name).open("x")
            self.assertEqual(refusal.exception.errno, errno.EACCES)
