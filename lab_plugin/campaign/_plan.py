"""What is asked of a campaign, and how it tells that it was stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Plan:
    """What the caller wants of a campaign.

    Attributes:
        budget: Bounds that replace those of `[budget]`, by name; also revises an open campaign.
        fresh: Start a new campaign whose proposer does not see earlier ideas.
        rerun: Idea -> repeats in all: go on with the comparisons of these, and make no new ideas.
        jobs: Iterations at a time, for which there must be cores.
    """

    budget: Mapping[str, float] = field(default_factory=dict)
    fresh: bool = False
    rerun: Mapping[int, int] = field(default_factory=dict)
    jobs: int = 1


class Interrupted(Exception):
    """The campaign was asked to stop while an idea was on its way; the idea stays open."""
