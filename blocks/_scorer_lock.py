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
        ```python
        # In lab.toml: [lock] block = "scorer-lock/NAME"
        from lab_plugin.blocks import ScorerLock

        block = ScorerLock.load("BLOCK_NAME")
        expected = block.build()
        ```
    """

    _block_type_name = "Scorer Lock"
    _documentation_url = DOCUMENTATION
    _description = (
        "The lock that a lab must have. A lab whose scorer, data, rules or environment differ is not run."
    )

    digest: str = Field(
        title="Digest",
        description="The digest that lab lock --json prints and lab.lock holds: 64 hexadecimal digits.",
        pattern="^[0-9a-f]{64}$",
    )
    epoch: int = Field(
        default=0, title="Epoch", description="Number of the epoch. 0: any with this digest.", ge=0
    )

    def settings(self) -> dict[str, Any]:
        """Keys of `[lock]`."""
        return filled(digest=self.digest, epoch=self.epoch or None)

    def build(self) -> ExpectedLock:
        """What `[lock]` would say."""
        from lab_plugin.config import ExpectedLock

        return ExpectedLock.model_validate(self.settings())
