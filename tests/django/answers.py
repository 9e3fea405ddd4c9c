"""Asks the installed Django about names, so that a test can hold cairnfs against it.

Reads JSON lines from standard input, one question each:
    [name, max_length or null, how many names are taken, [random texts, one a try], allowed extensions or null]
Prints first the versions of Django and Python, as a JSON line, then one JSON line an answer:
    [alternative name, available name, extension, whether the validator accepts]
A name that Django refuses to handle (SuspiciousFileOperation) is answered with null in its place.
"""

import json
import sys
from types import SimpleNamespace

import django
from django.conf import settings

settings.configure()

from django.core.exceptions import SuspiciousFileOperation, ValidationError  # noqa: E402
from django.core.files.storage import base  # noqa: E402
from django.core.validators import FileExtensionValidator  # noqa: E402


class CountingStorage(base.Storage):
    """A storage in which the first names asked for are taken, whatever they are."""

    def __init__(self, taken):
        self.taken = taken
        self.asked = 0

    def exists(self, name):
        self.asked += 1
        return self.asked <= self.taken


def available(name, max_length, taken, randoms):
    storage = CountingStorage(taken)
    # Django draws a second time where it has to cut the root; the text belongs to the try, not to the draw.
    base.get_random_string = lambda length: randoms[storage.asked - 1]
    try:
        return storage.get_available_name(name, max_length=max_length)
    except SuspiciousFileOperation:
        return None


def extension_of(file):
    try:
        FileExtensionValidator([])(file)
    except ValidationError as refusal:
        return refusal.params["extension"]
    raise AssertionError("an empty list accepted a name")


def accepts(file, allowed):
    try:
        FileExtensionValidator(allowed)(file)
    except ValidationError:
        return False
    return True


def answer(name, max_length, taken, randoms, allowed):
    file = SimpleNamespace(name=name)
    return [
        available(name, None, 1, randoms),
        available(name, max_length, taken, randoms),
        extension_of(file),
        accepts(file, allowed),
    ]


def main():
    versions = [list(django.VERSION[:2]), list(sys.version_info[:2])]
    print(json.dumps(versions))
    for line in sys.stdin.buffer:
        print(json.dumps(answer(*json.loads(line))))


main()
