"""Noise where there should be none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lab_plugin.decision._evidence import Evidence
from lab_plugin.decision._noise import Noise, found_noise


def switch_to_noisy(
    noises: Mapping[str, Noise], evidence: Evidence
) -> tuple[Mapping[str, Noise], dict[str, Noise]]:
    """Look whether metrics that are taken for deterministic moved between repeats.

    Returns:
        The noises to decide with, and those of them that were found now.
    """
    found = {}
    for name, pairs in evidence.metrics.items():
        known = noises.get(name)
        if known is None or not known.deterministic:
            continue
        noise = found_noise([pairs.candidate, pairs.champion])
        if not noise.deterministic:
            found[name] = noise
    return {**noises, **found}, found


def contradicted(noise: Noise, scores: Sequence[float]) -> Noise | None:
    """The noise that repeats of one commit show, where it is taken for deterministic; None when they
    agree.

    Args:
        noise: As it is known.
        scores: Of one commit, also on the same seed.
    """
    if not noise.deterministic or len(set(scores)) < 2:
        return None
    return found_noise([scores])
