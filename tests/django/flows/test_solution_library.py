"""Documents of the library, and scraped pages that have a key and no file."""

import errno
import hashlib
import os

from django.core.files.storage import default_storage

from file_fields import FileFieldFlows
from rag.services.embeddings import read_document_content
from samples import docx, page, pdf
from sides import TwoSides
from solution_library.models import Document
from solution_library.services.sync import adopt_page, sync_page


class LibraryDocument(FileFieldFlows, TwoSides):
    """Uploads to one directory for all."""

    model = Document
    extension = "docx"

    def content(self, seed):
        return docx(seed)

    def new(self):
        return Document(title="Handbook")

    def directory(self):
        return "documents"

    def test_hash_and_key_that_django_keeps_are_what_the_mount_tells(self):
        data = self.content("hashed")
        key = f"documents/{self.name('hashed')}"
        self.copy_in(data, key)
        document = self.adopt(key)
        self.assertEqual(document.s3_key, self.told(self.path(key), "key"))
        self.assertEqual(document.content_hash, self.told(self.path(key), "sha256"))
        self.assertEqual(document.content_hash, hashlib.sha256(data).hexdigest())
        self.assertEqual((document.file_type, document.file_size), ("docx", len(data)))

    def test_large_upload_in_parts_is_read_in_the_mount(self):
        data = pdf("large, from Django", padding=9 << 20)
        document = self.upload("large upload.pdf", data)
        self.assert_on_both_sides(document.file.name, data)
        with open(self.path(document.file.name), "rb") as file:
            file.seek(7 << 20)
            self.assert_bytes(file.read(100_000), data[7 << 20 : (7 << 20) + 100_000], "the middle")

    def test_large_copy_is_read_by_django(self):
        data = pdf("large, from the mount", padding=20 << 20)
        self.copy_in(data, "documents/large copy.pdf")
        self.assert_on_both_sides("documents/large copy.pdf", data)

    def test_names_that_need_quoting_are_the_same_on_both_sides(self):
        names = ["100% + 1 #2?&=;.pdf", "Übergröße – ‘α’ 日本語 🪨.pdf", "e\u0301 decomposed.pdf", "comma, (1) [2] {3}~'.pdf"]
        for name in names:
            with self.subTest(name):
                data = pdf("named " + name.encode("unicode_escape").decode().replace("\\", "/").replace("(", "").replace(")", ""))
                self.copy_in(data, f"documents/{name}")
                self.assert_on_both_sides(f"documents/{name}", data)

    def test_name_too_long_for_the_field_is_cut_by_django_and_found_in_the_mount(self):
        data = self.content("long")
        document = self.upload("l" * 150 + ".docx", data)
        self.assertEqual(len(document.file.name), Document._meta.get_field("file").max_length)
        self.assert_on_both_sides(document.file.name, data)

    def test_content_replaced_by_django_is_another_file_in_the_mount(self):
        first, second = self.content("as it was"), self.content("as it is now, a little longer")
        key = self.upload(self.name("replaced"), first).file.name
        path = self.wait_for(key)
        with open(path, "rb") as reader:
            beginning = reader.read(10)
            # an open for writing asks nobody, whatever file_overwrite says
            with default_storage.open(key, "wb") as writer:
                writer.write(second)
            self.eventually("the new bytes", lambda: read_now(path) == second)
            self.assert_on_both_sides(key, second)
            try:
                rest = reader.read()
            except OSError as gone:
                self.assertEqual(gone.errno, errno.ESTALE)
            else:
                self.assert_bytes(beginning + rest, first, "the file that was open")

    def test_deleted_in_the_mount_is_gone_for_django(self):
        data = self.content("thrown away")
        key = self.upload(self.name("thrown"), data).file.name
        self.wait_for(key).unlink()
        self.assertNotIn(os.path.basename(key), self.names("documents"))
        self.eventually("the object deleted", lambda: not default_storage.exists(key))


def read_now(path):
    """Returns the bytes of a file, or nothing while it changes hands."""
    try:
        return path.read_bytes()
    except OSError:
        return None


class ScrapedPage(TwoSides):
    """Pages by key, in directories below their source."""

    def setUp(self):
        # one source a test
        self.source = f"source-{self._testMethodName}"

    def test_synced_by_django_is_read_in_the_mount(self):
        text = page("Installation")
        document = sync_page(self.source, "guide/install.md", text)
        self.assertEqual(document.s3_key, f"scraped/{self.source}/guide/install.md")
        self.assert_on_both_sides(document.s3_key, text.encode())
        self.assertEqual(read_document_content(Document.objects.get(pk=document.pk)), text)
        self.assertEqual(document.file_size, len(text.encode()))

    def test_written_in_the_mount_is_read_by_its_key(self):
        text = page("Reference")
        key = f"scraped/{self.source}/api/v2/reference.md"
        self.path(key).parent.mkdir(parents=True)
        self.path(key).write_text(text, encoding="utf-8")
        document = adopt_page(key, "reference.md", len(text.encode()))
        self.assertFalse(document.file)
        self.assertEqual(read_document_content(Document.objects.get(pk=document.pk)), text)
        self.assert_on_both_sides(key, text.encode())

    def test_synced_again_over_a_page_of_the_mount_gets_a_suffix(self):
        first, second, third = page("1"), page("2"), page("3")
        key = f"scraped/{self.source}/index.md"
        self.path(key).parent.mkdir(parents=True)
        self.path(key).write_text(first, encoding="utf-8")
        again = sync_page(self.source, "index.md", second)
        self.assert_alternative(again.s3_key, key)
        self.wait_for(again.s3_key)
        before = self.names(f"scraped/{self.source}")
        self.path(key).write_text(third, encoding="utf-8")
        last = self.new_name(f"scraped/{self.source}", before)
        self.assert_alternative(last, key)
        for each, text in ((key, first), (again.s3_key, second), (last, third)):
            self.assert_on_both_sides(each, text.encode())

    def test_delete_that_the_domain_refuses_leaves_the_page_for_django(self):
        text = page("kept")
        key = sync_page(self.source, "kept.md", text).s3_key
        path = self.wait_for(key)
        with self.assertRaises(PermissionError) as refusal:
            path.unlink()
        self.assertEqual(refusal.exception.errno, errno.EACCES)
        self.assert_on_both_sides(key, text.encode())

    def test_text_that_is_no_page_is_refused_by_the_mount_and_readable_where_django_wrote_it(self):
        directory = f"scraped/{self.source}"
        key = sync_page(self.source, "style.css", "body { margin: 0 }\n").s3_key
        self.assertEqual(self.wait_for(key).read_text(), "body { margin: 0 }\n")
        for name in ("other.css", "style.css"):
            with self.assertRaises(PermissionError, msg=name) as refusal:
                (self.path(directory) / name).open("w")
            self.assertEqual(refusal.exception.errno, errno.EACCES)
        self.assert_in_django(key, b"body { margin: 0 }\n")
