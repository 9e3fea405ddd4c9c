"""What holds for every model with a file field, whichever app it is of."""

import errno
import itertools
import os
import tempfile

from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile

from sides import copy

NUMBERS = itertools.count(1)

# Stems and endings about which an allow-list of extensions can be argued.
ENDINGS = [
    "{}", ".{}", "..{}", ".{}.", ".{} ", ". {}", ".{}~x", ".exe", ".exe.{}", ".{}.exe", ".tar.{}", " .{}", "_{}", "{}.",
]
OTHERS = ["noext", ".env", "a.", "archive.tar.gz", "a.PDF", "a.Docx", "a.xlsx", "a.csv", "a.png", "a.SVG", "a.md", "a.htm"]


class FileFieldFlows:
    """Mixed into a TwoSides with `model`, `field`, `extension`, and the three methods below."""

    model = None
    field = "file"
    extension = ""

    def content(self, seed):
        """Returns a real document of the kind that the model is for."""
        raise NotImplementedError

    def new(self):
        """Returns an instance without its file, not saved."""
        raise NotImplementedError

    def directory(self):
        """Returns the directory in which this test's files are."""
        raise NotImplementedError

    # -- helpers

    def upload(self, name, data):
        """Does what a form does with an uploaded file. Returns the saved instance."""
        instance = self.new()
        setattr(instance, self.field, SimpleUploadedFile(name, data))
        instance.full_clean()
        instance.save()
        return instance

    def adopt(self, key):
        """Returns a saved instance for a file that is in the bucket already."""
        instance = self.new()
        setattr(instance, self.field, key)
        instance.save()
        return self.again(instance)

    def file_of(self, instance):
        return getattr(instance, self.field)

    def read_field(self, instance):
        """Returns what the field gives to somebody who has not just uploaded it."""
        with self.file_of(self.again(instance)).open("rb") as file:
            return file.read()

    def again(self, instance):
        """Returns the row anew: the instance that uploaded still holds the upload itself."""
        return type(instance).objects.get(pk=instance.pk)

    def make_directory(self):
        """Makes the directory through the mount, as a user does before copying into it."""
        os.makedirs(self.path(self.directory()), exist_ok=True)
        return self.directory()

    def name(self, stem):
        """Returns a name that no other test uses."""
        return f"{stem}-{next(NUMBERS)}.{self.extension}"

    def copy_in(self, data, key):
        with tempfile.TemporaryDirectory() as scratch:
            done = copy(data, self.path(key), scratch)
        self.assertEqual(done.returncode, 0, done.stderr)

    # -- flows

    def test_written_by_django_is_read_in_the_mount(self):
        data = self.content("from Django")
        instance = self.upload(self.name("upload"), data)
        key = self.file_of(instance).name
        self.assertEqual(os.path.dirname(key), self.directory())
        self.assert_on_both_sides(key, data)
        self.assertEqual(self.told(self.path(key), "file_type"), self.extension)

    def test_written_in_the_mount_is_read_by_django(self):
        data = self.content("from the mount")
        key = f"{self.make_directory()}/{self.name('copied')}"
        self.copy_in(data, key)
        self.assert_in_django(key, data)
        instance = self.adopt(key)
        self.assert_bytes(self.read_field(instance), data, "the file field")
        self.assertEqual(self.file_of(instance).size, len(data))
        self.assert_on_both_sides(key, data)

    def test_written_with_open_in_the_mount_is_in_django_when_close_returns(self):
        data = self.content("written in pieces")
        key = f"{self.make_directory()}/{self.name('opened')}"
        with open(self.path(key), "xb") as file:
            for start in range(0, len(data), 1000):
                file.write(data[start : start + 1000])
            self.assertFalse(default_storage.exists(key), "half a file is in the bucket")
        self.assert_in_django(key, data)
        self.assert_on_both_sides(key, data)

    def test_name_that_django_took_gives_the_mount_a_suffix(self):
        first, second = self.content("the first"), self.content("the second, in the mount")
        instance = self.upload(self.name("taken"), first)
        taken = self.file_of(instance).name
        self.wait_for(taken)
        before = self.names(self.directory())
        self.copy_in(second, taken)
        key = self.new_name(self.directory(), before)
        self.assert_alternative(key, taken)
        self.assert_on_both_sides(taken, first)
        self.assert_on_both_sides(key, second)
        self.assert_bytes(self.read_field(instance), first, "the file field")
        self.assert_bytes(self.read_field(self.adopt(key)), second, "the file field of the copy")
        self.assertEqual(self.told(self.path(key), "supersedes"), taken)

    def test_name_that_django_took_unseen_gives_the_mount_a_suffix(self):
        first, second = self.content("unseen"), self.content("the second, in the mount")
        directory = self.make_directory()
        wanted = f"{directory}/{self.name('unseen')}"
        with open(self.path(wanted), "xb") as file:
            file.write(second)
            file.flush()
            # the mount has the name by now and knows nothing of this
            saved = default_storage.save(wanted, ContentFile(first))
            self.assertEqual(saved, wanted)
            before = self.names(directory)
        new = {name for name in self.names(directory) - before if name != os.path.basename(wanted)}
        self.assertEqual(len(new), 1, f"{before} became {self.names(directory)}")
        key = f"{directory}/{new.pop()}"
        self.assert_alternative(key, wanted)
        self.assert_on_both_sides(wanted, first)
        self.assert_on_both_sides(key, second)

    def test_name_that_the_mount_took_gives_django_a_suffix(self):
        first, second = self.content("first, in the mount"), self.content("second, from Django")
        taken = f"{self.make_directory()}/{self.name('mine')}"
        self.copy_in(first, taken)
        instance = self.upload(os.path.basename(taken), second)
        key = self.file_of(instance).name
        self.assert_alternative(key, taken)
        self.assert_on_both_sides(taken, first)
        self.assert_on_both_sides(key, second)
        self.assert_bytes(self.read_field(instance), second, "the file field")

    def test_deleted_by_django_vanishes_from_the_mount(self):
        instance = self.upload(self.name("deleted"), self.content("to be deleted"))
        key = self.file_of(instance).name
        self.wait_for(key)
        self.file_of(instance).delete()
        self.wait_until_gone(key)
        self.eventually("an open that fails", lambda: not self.path(key).exists())

    def test_extensions_are_refused_by_both_sides_alike(self):
        directory = self.make_directory()
        names = [f"argued{ending.format(case)}" for ending in ENDINGS for case in (self.extension, self.extension.upper())]
        names += [f".{self.extension}", *OTHERS]
        answers = {name: (self.django_takes(name), self.mount_takes(directory, name)) for name in names}
        self.assertEqual({name: both for name, both in answers.items() if both[0] != both[1]}, {})
        self.assertEqual({both[0] for both in answers.values()}, {True, False}, "the names prove nothing")

    def django_takes(self, name):
        """Returns whether the model accepts an upload of that name. Nothing is stored."""
        instance = self.new()
        setattr(instance, self.field, SimpleUploadedFile(name, b"anything"))
        try:
            instance.full_clean()
        except ValidationError as refusal:
            errors = refusal.error_dict
            self.assertEqual([(of, [e.code for e in list_]) for of, list_ in errors.items()], [(self.field, ["invalid_extension"])])
            return False
        return True

    def mount_takes(self, directory, name):
        """Returns whether the mount makes a file of that name. It is taken away again, so nothing is stored."""
        path = self.path(f"{directory}/{name}")
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except OSError as refusal:
            self.assertEqual(refusal.errno, errno.EACCES, name)
            return False
        path.unlink()
        return True
