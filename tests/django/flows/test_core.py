"""Logos of organizations."""

from core.models import Organization
from file_fields import FileFieldFlows
from samples import png
from sides import TwoSides


class OrganizationLogo(FileFieldFlows, TwoSides):
    """One directory for all, and pictures."""

    model = Organization
    field = "logo"
    extension = "png"

    def content(self, seed):
        return png(seed)

    def new(self):
        return Organization(name="Cairn & Sons")

    def directory(self):
        return "orgs/logos"

    def test_content_type_of_a_copied_logo_is_that_of_a_picture(self):
        key = f"orgs/logos/{self.name('typed')}"
        self.copy_in(png("typed"), key)
        organization = self.adopt(key)
        head = organization.logo.storage.bucket.Object(key)
        self.assertEqual(head.content_type, "image/png")
        self.assertEqual(self.told(self.path(key), "content_type"), "image/png")
