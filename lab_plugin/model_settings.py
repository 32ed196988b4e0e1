"""How a model is reached, for proposers and reviewers that ask one."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ModelSettings:
    """A model and the way to it. Holding it asks nobody.

    Attributes:
        model: Its name at the provider.
        api_key: Never shown.
        base_url: Of the API; empty for the provider's own.
        max_tokens: At most so many in one answer, 1 or more.
    """

    model: str
    api_key: str = field(repr=False)
    base_url: str = ""
    max_tokens: int = 16_384
