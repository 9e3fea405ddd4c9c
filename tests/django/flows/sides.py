"""The two sides of a flow: Django's storage, and the mounted folder of the same bucket."""

import hashlib
import os
import re
import subprocess
import time
import unittest
import urllib.request
from pathlib import Path
from unittest import mock

from django.core.files.storage import Storage, base, default_storage

# How long the mount may take to see what Django did: far more than its list_ttl in these tests.
PATIENCE_SECONDS = 60


class TwoSides(unittest.TestCase):
    """A test that looks at one bucket from both sides. Bytes are always compared in full."""

    maxDiff = 2000
    mount = Path(os.environ["CAIRNFS_MOUNT"])

    def path(self, key):
        """Returns where the mount shows `key`."""
        return self.mount / key

    def names(self, directory):
        """Returns the names that the mount lists in a directory."""
        return set(os.listdir(self.path(directory)))

    def eventually(self, what, look):
        """Returns the first true answer of `look`; the mount may see later what others did."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not (answer := look()):
            if time.monotonic() > end:
                self.fail(f"after {PATIENCE_SECONDS} s still not: {what}")
            time.sleep(0.1)
        return answer

    def wait_for(self, key):
        """Waits until the mount lists `key`, and returns where."""
        directory, name = key.rsplit("/", 1)
        look = lambda: self.path(directory).is_dir() and name in self.names(directory)
        self.eventually(f"{key} in the mount", look)
        return self.path(key)

    def wait_until_gone(self, key):
        """Waits until the mount does not list `key`."""
        directory, name = key.rsplit("/", 1)
        look = lambda: not self.path(directory).is_dir() or name not in self.names(directory)
        self.eventually(f"{key} gone from the mount", look)

    def assert_on_both_sides(self, key, data):
        """`key` is these bytes for Django, for the mount and for whoever has a signed address."""
        self.assert_in_django(key, data)
        self.assert_in_mount(key, data)

    def assert_in_django(self, key, data):
        self.assertTrue(default_storage.exists(key), key)
        with default_storage.open(key, "rb") as file:
            self.assert_bytes(file.read(), data, f"{key} in Django")
        self.assertEqual(default_storage.size(key), len(data))
        with urllib.request.urlopen(default_storage.url(key), timeout=60) as answer:
            self.assert_bytes(answer.read(), data, f"the signed address of {key}")
        directory, name = os.path.split(key)
        self.assertIn(name, default_storage.listdir(directory)[1])

    def assert_in_mount(self, key, data):
        path = self.wait_for(key)
        self.assert_bytes(path.read_bytes(), data, f"{key} in the mount")
        self.assertEqual(path.stat().st_size, len(data))
        told = subprocess.run(["sha256sum", path], capture_output=True, check=True, text=True).stdout
        self.assertEqual(told.split()[0].lstrip("\\"), hashlib.sha256(data).hexdigest())
        self.assertEqual(self.told(path, "key"), key)
        self.assertEqual(self.told(path, "file_size"), str(len(data)))
        self.assertEqual(self.told(path, "state"), "object")

    def assert_bytes(self, found, expected, where):
        """Fails in few words: a diff of a PDF helps nobody."""
        if found != expected:
            at = next((i for i, (a, b) in enumerate(zip(found, expected)) if a != b), min(len(found), len(expected)))
            self.fail(f"{where}: {len(found)} bytes instead of {len(expected)}, different from byte {at} on")

    def told(self, path, attribute):
        """Returns what the mount tells of a file."""
        return os.getxattr(path, f"user.cairn.{attribute}").decode()

    def assert_alternative(self, key, wanted):
        """`key` is what Django's own code makes of `wanted` when that is taken, for some seven characters."""
        self.assertNotEqual(key, wanted)
        candidates = {match[1] for match in re.finditer(r"(?=_([A-Za-z0-9]{7})(?:\.|$))", key)}
        for text in candidates:
            with mock.patch.object(base, "get_random_string", lambda length, text=text: text):
                if Taken(wanted).get_available_name(wanted, max_length=500) == key:
                    return
        self.fail(f"Django would not name {wanted} so: {key}")

    def new_name(self, directory, before):
        """Returns the key of the one file that has come into a directory of the mount."""
        new = self.eventually(f"a new name in {directory}", lambda: self.names(directory) - before)
        self.assertEqual(len(new), 1, new)
        return f"{directory}/{new.pop()}"


class Taken(Storage):
    """A storage in which one name is taken."""

    def __init__(self, name):
        self.name = name

    def exists(self, name):
        return name == self.name


def copy(source_bytes, destination, scratch):
    """Copies bytes with cp(1) from a file of this host; `scratch` is a directory of this host."""
    source = Path(scratch) / "source"
    source.write_bytes(source_bytes)
    return subprocess.run(["cp", source, destination], capture_output=True, check=False, text=True)
