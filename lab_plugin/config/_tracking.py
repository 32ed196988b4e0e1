"""`[tracking]`: the MLflow store that shows the lab's runs."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, model_validator

from lab_plugin.config._fields import Text
from lab_plugin.config._space import Table

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:")


def _check_address(text: str) -> str:
    if not _SCHEME.match(text):
        raise ValueError('must be an address with its scheme, such as "https://mlflow.example.org"')
    try:
        password = urlsplit(text).password
    except ValueError:
        raise ValueError("is no address") from None
    if password is not None:
        raise ValueError("must not hold a password; set MLFLOW_TRACKING_PASSWORD, or name a block")
    if re.match(r"sqlite:///(?!/)", text):
        raise ValueError(
            "must name its file by an absolute path, with four slashes: sqlite:////srv/mlflow.db"
        )
    return text


_Address = Annotated[Text, AfterValidator(_check_address)]


class Tracking(Table):
    """`[tracking]`; `MLFLOW_TRACKING_URI` in the environment takes the place of all of it.

    Attributes:
        uri: MLflow tracking URI; None for the store of this machine.
        artifacts: Where the lab's experiment keeps its files; None as the store sees fit.
        username: Whom the server knows; None for `MLFLOW_TRACKING_USERNAME`. The password is in
            `MLFLOW_TRACKING_PASSWORD`, or in a block.
    """

    uri: _Address | None = None
    artifacts: _Address | None = None
    username: Text | None = None

    @model_validator(mode="after")
    def _of_a_store(self) -> Tracking:
        if self.uri is None and (self.artifacts or self.username):
            raise ValueError("artifacts and username belong to a store; give its uri too")
        if self.username and urlsplit(self.uri or "").scheme not in ("http", "https"):
            raise ValueError("only a server, at http:// or https://, knows a username")
        return self
