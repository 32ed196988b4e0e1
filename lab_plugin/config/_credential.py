"""A secret that is added to requests outside of the sandbox."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from lab_plugin.config._fields import Text, check_variable
from lab_plugin.config._space import Table


class Credential(Table):
    """A header that is added outside of the sandbox; inside, the program asks for `http://HOST/...`.

    Attributes:
        host: An allowed host.
        header: `x-api-key`, `authorization`.
        env: Environment variable of the lab that holds the secret.
        prefix: Put before the secret: `Bearer `.
        port: The host's port for TLS.
    """

    host: Text
    header: Text
    env: Annotated[str, AfterValidator(check_variable)]
    prefix: str = ""
    port: Annotated[int, Field(ge=1, le=65535)] = 443


Credentials = Annotated[tuple[Credential, ...], Field(strict=False)]
