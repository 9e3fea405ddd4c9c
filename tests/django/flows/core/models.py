"""Organizations and their logos: a plain image upload."""

from django.core.validators import FileExtensionValidator
from django.db import models


class Organization(models.Model):
    """An organization with a logo."""

    name = models.CharField(max_length=200)
    logo = models.FileField(
        upload_to="orgs/logos/",
        blank=True,
        validators=[FileExtensionValidator(["png", "jpg", "jpeg", "gif", "svg", "webp"])],
    )
