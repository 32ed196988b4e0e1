"""`[lock]`: the lock that a lab must have to be run."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, model_validator

from lab_plugin.config._fields import Count
from lab_plugin.config._space import Table


def _check_digest(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError('must be the "digest" of a lab.lock, 64 hexadecimal digits')
    return text


class ExpectedLock(Table):
    """`[lock]`: a lab with another lock is not run. It is no part of the lock itself.

    Attributes:
        digest: Of `lab.lock`; None for any.
        epoch: The epoch's number; None for any.
    """

    digest: Annotated[str, AfterValidator(_check_digest)] | None = None
    epoch: Count | None = None

    @model_validator(mode="after")
    def _expects_something(self) -> ExpectedLock:
        if self.epoch is not None and self.digest is None:
            raise ValueError("an epoch's number alone proves nothing; give its digest too")
        return self
