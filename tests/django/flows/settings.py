"""Settings of a Django project whose files live in a bucket, as the applications beside cairnfs have them.

The bucket comes from the S3_… variables, which the mount reads too. The models live in memory.
"""

import os


def switch(name, default):
    """Returns the on/off variable `name`."""
    return os.environ.get(name, str(default)).strip().lower() in ("1", "true", "yes", "on")


SECRET_KEY = "only for tests"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
INSTALLED_APPS = ["core", "rfp_manager", "solution_library", "rag"]

STORAGES = {
    "default": {
        "BACKEND": "storages.backends.s3boto3.S3Boto3Storage",
        "OPTIONS": {
            "access_key": os.environ.get("S3_ACCESS_KEY"),
            "secret_key": os.environ.get("S3_SECRET_KEY"),
            "bucket_name": os.environ.get("S3_BUCKET_NAME"),
            "endpoint_url": os.environ.get("S3_ENDPOINT_URL"),
            "use_ssl": switch("S3_USE_SSL", True),
            "default_acl": os.environ.get("S3_DEFAULT_ACL", "private"),
            "region_name": os.environ.get("S3_REGION_NAME"),
            "file_overwrite": False,
            "querystring_auth": True,
            "verify": switch("S3_VERIFY_SSL", True),
        },
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
