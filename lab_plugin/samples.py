"""Which way a sample's score is better, and which samples are the worst.

A sample is scored in the metric's own direction, unless `[scorer] samples` says otherwise: an accuracy may
come with samples that hold losses.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from lab_plugin.config import Config
from lab_plugin.scorer import Sample

Direction = Literal["higher_is_better", "lower_is_better"]


def direction(config: Config) -> Direction:
    """Which way a sample's score is better."""
    if config.scorer.samples is not None:
        return config.scorer.samples
    return "higher_is_better" if config.scorer.goal == "maximize" else "lower_is_better"


def goodness(score: float, way: Direction) -> float:
    """A score, or a difference of scores, turned so that more is better."""
    return score if way == "higher_is_better" else -score


def worst_first(samples: Iterable[Sample], config: Config) -> list[Sample]:
    """The worst sample first; equal ones by id."""
    way = direction(config)
    return sorted(samples, key=lambda sample: (goodness(sample.score, way), sample.id))
