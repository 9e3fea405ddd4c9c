"""Reading from whatever storage the project has, and asking whether it can be reached."""

from io import BytesIO

from botocore.exceptions import ClientError, NoCredentialsError
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage


def load_binary_from_storage(key):
    """Returns the bytes under `key` as a buffer that can be searched in."""
    with default_storage.open(key, "rb") as file:
        return BytesIO(file.read())


def read_text_from_storage(key):
    """Returns the text under `key`."""
    with default_storage.open(key, "r") as file:
        return file.read()


def validate_s3_connectivity():
    """Raises ValidationError, in words for users, if the bucket cannot be used."""
    if not hasattr(default_storage, "bucket"):
        return
    name = default_storage.bucket_name
    try:
        default_storage.bucket.meta.client.head_bucket(Bucket=name)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code == "403":
            raise ValidationError("S3/MinIO credentials are invalid or permissions are insufficient.") from error
        if code == "404":
            raise ValidationError(f"Bucket '{name}' does not exist.") from error
        raise ValidationError(f"S3/MinIO error ({code}): {error}") from error
    except NoCredentialsError as error:
        raise ValidationError("S3/MinIO credentials are not configured.") from error
