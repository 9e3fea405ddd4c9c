"""Whether the bucket can be used: Django and `cairnfs check` say it alike."""

import copy
import os
import subprocess

from django.conf import settings
from django.core.exceptions import ValidationError
from django.test import override_settings

from sides import TwoSides
from storage import validate_s3_connectivity

# No machine in a data centre may lend its own credentials, and no file of a user either.
NO_OTHER_CREDENTIALS = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_CONFIG_FILE": os.devnull,
}
os.environ.update(NO_OTHER_CREDENTIALS)


def storages(**options):
    """Returns the storage settings with other options."""
    changed = copy.deepcopy(settings.STORAGES)
    changed["default"]["OPTIONS"].update(options)
    return override_settings(STORAGES=changed)


class Connectivity(TwoSides):
    """Each case once through the validator, once through the command."""

    def check(self, **environment):
        """Runs `cairnfs check` with the environment of this process and these changes."""
        variables = {name: value for name, value in (os.environ | environment).items() if value is not None}
        command = [os.environ["CAIRNFS"], "check"]
        return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120, check=False)

    def refusal(self, **options):
        """Returns the words of the validator."""
        with storages(**options), self.assertRaises(ValidationError) as refused:
            validate_s3_connectivity()
        return refused.exception.message

    def test_bucket_that_can_be_used_is_fine_for_both(self):
        validate_s3_connectivity()
        done = self.check()
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_bucket_that_does_not_exist_is_named_by_both(self):
        words = self.refusal(bucket_name="no-such-bucket")
        self.assertEqual(words, "Bucket 'no-such-bucket' does not exist.")
        done = self.check(S3_BUCKET_NAME="no-such-bucket")
        self.assertEqual(done.returncode, 11, done.stderr)
        self.assertIn(words, done.stderr)

    def test_wrong_key_is_refused_by_both(self):
        words = self.refusal(secret_key="wrong")
        self.assertEqual(words, "S3/MinIO credentials are invalid or permissions are insufficient.")
        done = self.check(S3_SECRET_KEY="wrong")
        self.assertEqual(done.returncode, 10, done.stderr)
        self.assertIn(words, done.stderr)

    def test_no_key_is_told_by_both(self):
        words = self.refusal(access_key=None, secret_key=None)
        self.assertEqual(words, "S3/MinIO credentials are not configured.")
        done = self.check(S3_ACCESS_KEY=None, S3_SECRET_KEY=None)
        self.assertEqual(done.returncode, 13, done.stderr)
        self.assertIn(words, done.stderr)
