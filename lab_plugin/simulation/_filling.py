"""Results of dear tiers that ideas were never promoted to."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import fmean, median

from lab_plugin.errors import LabError
from lab_plugin.simulation._campaign import Result
from lab_plugin.simulation._past import PastIdea

FEWEST = 8
"""Ideas with a result at two tiers that a guess from one to the other takes."""


def filled(ideas: Sequence[PastIdea], tiers: Sequence[str]) -> tuple[PastIdea, ...]:
    """The ideas with a result at every tier.

    What is missing at a tier is guessed from the tier before: by the straight line through the ideas that
    have a result at both, and with what one of these is off it by. Promotion picks by the value at the tier
    before, so that the line is not bent by it. An idea that crashed crashes further on.

    Args:
        ideas: Each with a result at the first tier.
        tiers: The cheapest first.

    Raises:
        LabError: Too few ideas have a result at two tiers.
    """
    for before, tier in pairwise(tiers):
        if any(tier not in idea.results for idea in ideas):
            ideas = _filled_at(ideas, before, tier)
    return tuple(ideas)


def _filled_at(ideas: Sequence[PastIdea], before: str, tier: str) -> list[PastIdea]:
    known = [idea for idea in ideas if tier in idea.results]
    pairs = [
        (first, second)
        for idea in known
        if (first := idea.results[before].value) is not None
        and (second := idea.results[tier].value) is not None
    ]
    if len(pairs) < FEWEST:
        raise LabError(
            f"{len(pairs)} ideas have a result at both {before} and {tier}; to guess what the others would "
            f"have there takes {FEWEST}.",
            "Run more ideas first, or simulate a made-up lab with --synthetic seconds=60.",
        )
    slope, level = _line(pairs)
    off = [second - (level + slope * first) for first, second in pairs]
    seconds = median(idea.results[tier].seconds for idea in known)

    def guess(idea: PastIdea) -> Result:
        value = idea.results[before].value
        if value is None:
            return Result(seconds, None, None)
        expected = level + slope * value
        chance = random.Random(f"{tier}:{idea.number}")  # noqa: S311 -- reproducible, nothing secret
        return Result(seconds, expected + chance.choice(off), expected)

    return [
        idea if tier in idea.results else replace(idea, results={**idea.results, tier: guess(idea)})
        for idea in ideas
    ]


def _line(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Slope and level by least squares."""
    middle, height = fmean(first for first, _ in pairs), fmean(second for _, second in pairs)
    spread = sum((first - middle) ** 2 for first, _ in pairs)
    across = sum((first - middle) * (second - height) for first, second in pairs)
    slope = across / spread if spread else 0.0
    return slope, height - slope * middle
