"""The same lab with kept ideas as for `lab verify`, and users who sign."""

from tests.signing.conftest import ssh_user, user
from tests.verification.conftest import kept, template

__all__ = ["kept", "ssh_user", "template", "user"]
