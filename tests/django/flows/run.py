"""Runs the flows of a Django project beside a mount of its bucket.

Needs the bucket in the S3_… variables, a mount of it at $CAIRNFS_MOUNT and the program at $CAIRNFS. Arguments are
those of `python -m unittest`. Fails when a flow fails, and when there is none.
"""

import os
import sys
import unittest
from pathlib import Path

import django

HERE = Path(__file__).parent


def main():
    if not os.path.ismount(os.environ["CAIRNFS_MOUNT"]):
        sys.exit(f"nothing is mounted on {os.environ['CAIRNFS_MOUNT']}")
    sys.path.insert(0, str(HERE))
    os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
    django.setup()
    from django.core.management import call_command

    call_command("migrate", run_syncdb=True, verbosity=0)
    arguments = sys.argv[1:] or ["discover", "--start-directory", str(HERE), "--verbose"]
    program = unittest.main(module=None, argv=[sys.argv[0], *arguments], exit=False)
    result = program.result
    sys.exit(0 if result.testsRun and result.wasSuccessful() and not result.skipped else 1)


main()
