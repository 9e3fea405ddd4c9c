"""Many writers of one name at one moment: through the mount, and past it by clients that use a condition."""

import collections
import hashlib
import multiprocessing
import os

from botocore.exceptions import ClientError
from django.conf import settings
from django.core.files.storage import default_storage, storages

from samples import pdf
from sides import TwoSides

THROUGH_THE_MOUNT = 32
PAST_THE_MOUNT = 8
# Longer than any writer takes: who waits longer waits for one that has died.
PATIENCE_SECONDS = 120

# The writers are copies of this process: they have the settings, and each makes connections of its own.
copies = multiprocessing.get_context("fork")


class OneName(TwoSides):
    """Nobody's bytes are lost, and nobody's are stored twice."""

    directory = "rfp_exports/race"
    wanted = "rfp_exports/race/report.pdf"

    def test_every_writer_of_one_name_finds_his_bytes_exactly_once(self):
        writers = [self.write_through_the_mount] * THROUGH_THE_MOUNT + [self.put_on_condition] * PAST_THE_MOUNT
        contents = [pdf(f"writer {number}", padding=20_000) for number in range(len(writers))]
        os.makedirs(self.path(self.directory), exist_ok=True)
        start = copies.Barrier(len(writers))
        processes = [
            copies.Process(target=write, args=(start, content), name=write.__name__)
            for write, content in zip(writers, contents)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join(PATIENCE_SECONDS)
            self.assertEqual(process.exitcode, 0, process.name)

        bucket = default_storage.bucket
        stored = {o.key: o.get()["Body"].read() for o in bucket.objects.filter(Prefix=f"{self.directory}/")}
        found = collections.Counter(hashlib.sha256(data).hexdigest() for data in stored.values())
        self.assertEqual(found, {hashlib.sha256(content).hexdigest(): 1 for content in contents})
        self.assertIn(self.wanted, stored)
        for key in stored.keys() - {self.wanted}:
            self.assert_alternative(key, self.wanted)
        self.eventually("all of them in the mount", lambda: len(self.names(self.directory)) == len(writers))
        shown = {f"{self.directory}/{name}" for name in self.names(self.directory)}
        self.assertEqual(shown, stored.keys())

    def write_through_the_mount(self, start, content):
        """Creates the name as `>` in a shell does."""
        start.wait(PATIENCE_SECONDS)
        fd = os.open(self.path(self.wanted), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        written = 0
        while written < len(content):
            written += os.write(fd, content[written : written + 4096])
        os.close(fd)

    def put_on_condition(self, start, content):
        """Creates the name by a request that the store decides, and takes Django's next one where it is taken."""
        connection = storages.create_storage(settings.STORAGES["default"])  # sockets are not for two processes
        client, key = connection.bucket.meta.client, self.wanted
        start.wait(PATIENCE_SECONDS)
        while True:
            try:
                client.put_object(Bucket=connection.bucket_name, Key=key, Body=content, IfNoneMatch="*")
                return
            except ClientError as error:
                if error.response["Error"]["Code"] not in ("PreconditionFailed", "412", "ConditionalRequestConflict"):
                    raise
                root, extension = os.path.splitext(self.wanted)
                key = connection.get_alternative_name(root, extension)
