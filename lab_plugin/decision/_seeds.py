"""Which seeds are for what: no seed serves two purposes."""

from __future__ import annotations

_SEEDS = 1 << 32
_CALIBRATION = 1_000_003
_CONFIRMATION = 2_000_003


def comparison_seed(base: int, repeat: int) -> int:
    """Seed of a comparison's repeat, from 0, for candidate and champion; repeat 0 has the base itself."""
    return (base + repeat) % _SEEDS


def calibration_seed(base: int, repeat: int) -> int:
    """Seed of a calibration's repeat, from 0."""
    return (base + _CALIBRATION + repeat) % _SEEDS


def confirmation_seed(base: int, repeat: int) -> int:
    """Seed of a confirmation's repeat, from 0; no comparison before it has seen it."""
    return (base + _CONFIRMATION + repeat) % _SEEDS
