"""The lock that a lab must have: `[lock]` as a block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefect.blocks.core import Block
from pydantic import Field

from lab_plugin.blocks._described import DOCUMENTATION, GivesSettings, filled

if TYPE_CHECKING:
    from lab_plugin.config import ExpectedLock


class ScorerLock(GivesSettings, Block):
    """The lock that a lab must have to be run.

    Attributes:
        digest: Digest of the lock.
        epoch: Its epoch.

    Example:
        Name it in a `lab.toml` as `[lock] block = "scorer-lock/BLOCK_NAME"`, or read it in a program:

        ```python
        from lab_plugin.blocks import ScorerLock

        block = ScorerLock.load("BLOCK_NAME")
        expected = block.build()
        ```
    """

    _block_type_name = "Scorer Lock"
    _documentation_url = DOCUMENTATION
    _description = (
        "The lock that a lab must have: its scorer, data, rules and environment as one digest. A lab with "
        'another lock is not run. A lab names it as `[lock] block = "scorer-lock/NAME"`.'
    )

    digest: str = Field(
        title="Digest",
        description="The digest that `lab lock --json` prints and lab.lock holds: 64 hexadecimal digits.",
        pattern="^[0-9a-f]{64}$",
    )
    epoch: int | None = Field(
        default=None, title="Epoch", description="Number of the epoch. Empty: any with this digest.", ge=1
    )

    def settings(self) -> dict[str, Any]:
        """Keys of `[lock]`."""
        return filled(digest=self.digest, epoch=self.epoch)

    def build(self) -> ExpectedLock:
        """What `[lock]` would say."""
        from lab_plugin.config import ExpectedLock

        return ExpectedLock(digest=self.digest, epoch=self.epoch)
