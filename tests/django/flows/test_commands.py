"""The commands that scripts use beside a mount: they see the bucket as Django does, and overwrite nothing either."""

import os
import subprocess
import tempfile
from pathlib import Path

from django.core.files.storage import default_storage

from rag.services.embeddings import store_chunk
from samples import page
from sides import TwoSides
from solution_library.models import Document
from solution_library.services.sync import sync_page


class Commands(TwoSides):
    """A script that stores chunks, beside Django which does the same."""

    def setUp(self):
        self.id = Document.objects.create(title="From a script").id

    def run_command(self, *arguments):
        """Returns what the command printed."""
        command = [os.environ["CAIRNFS"], *arguments]
        done = subprocess.run(command, capture_output=True, timeout=120, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def put(self, text, key):
        """Returns the key that `cairnfs put` printed."""
        with tempfile.TemporaryDirectory() as scratch:
            source = Path(scratch) / "source.txt"
            source.write_text(text, encoding="utf-8")
            return self.run_command("put", str(source), key).decode().removesuffix("\n")

    def test_put_prints_the_key_under_which_django_and_the_mount_read_it(self):
        key = f"chunks/{self.id}/chunk_0.txt"
        self.assertEqual(self.put(page("put"), key), key)
        self.assert_on_both_sides(key, page("put").encode())

    def test_put_onto_a_chunk_of_django_prints_a_suffixed_key(self):
        taken = store_chunk(self.id, 0, "from Django")
        key = self.put("from a script", taken)
        self.assert_alternative(key, taken)
        self.assert_on_both_sides(taken, b"from Django")
        self.assert_on_both_sides(key, b"from a script")
        again = store_chunk(self.id, 0, "from Django again")
        self.assertEqual(len({taken, key, again}), 3)

    def test_cat_and_ls_tell_what_django_wrote(self):
        document = sync_page(f"listed-{self.id}", "index.md", page("listed"))
        self.assertEqual(self.run_command("cat", document.s3_key), page("listed").encode())
        listed = self.run_command("ls", os.path.dirname(document.s3_key)).decode().splitlines()
        self.assertEqual(listed, default_storage.listdir(os.path.dirname(document.s3_key))[1])
