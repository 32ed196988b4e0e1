"""What there is to share out, what the programs of a lab need of it, and whether that can ever be had."""

from __future__ import annotations

import os
from dataclasses import dataclass

from lab_plugin.config import Config
from lab_plugin.errors import ConfigError
from lab_plugin.slots._cards import find_cards

_BESIDE = ("served", "tests")
"""Contracts under which the scorer runs beside the candidate."""
_PROGRAM = "command"
"""The strategy whose proposer is a program."""


@dataclass(frozen=True)
class Capacity:
    """What the runs of a campaign share.

    Attributes:
        cpus: Cores, above 0.
        cards: Ids of GPUs.
        jobs_per_gpu: Runs that may share a card, 1 or more.
    """

    cpus: float
    cards: tuple[str, ...] = ()
    jobs_per_gpu: int = 1

    def __str__(self) -> str:
        cores = f"{self.cpus:g} core{'' if self.cpus == 1 else 's'}"
        if not self.cards:
            return f"{cores}, no GPU"
        shared = f", {self.jobs_per_gpu} jobs on each" if self.jobs_per_gpu > 1 else ""
        return f"{cores}, {len(self.cards)} GPU{'s' if len(self.cards) > 1 else ''}{shared}"


@dataclass(frozen=True)
class Need:
    """What one run takes for as long as it runs.

    Attributes:
        cpus: Cores, 0 or more.
        gpus: Cards, all of them different ones.
    """

    cpus: float
    gpus: int = 0


@dataclass(frozen=True)
class Needs:
    """What the two halves of a trial take.

    Attributes:
        execution: The run of the candidate; with its scorer, where both run at the same time.
        scoring: The run of the scorer after it.
    """

    execution: Need
    scoring: Need


def capacity_of(config: Config, jobs: int = 1) -> Capacity:
    """What `[resources]` says, completed by what this machine has.

    Args:
        config: The lab's.
        jobs: Iterations in parallel; where nothing else is said, each may have a core of its own.
    """
    resources = config.resources
    cpus = resources.cpus or float(max(len(os.sched_getaffinity(0)), jobs))
    cards: tuple[str, ...] = ()
    if isinstance(resources.gpus, tuple):
        cards = resources.gpus
    elif config.candidate.gpus or resources.gpus:
        # Asking for them takes a program of its own, and most labs need none.
        cards = find_cards()[: resources.gpus]
    return Capacity(cpus, cards, resources.jobs_per_gpu)


def needs_of(config: Config) -> Needs:
    """What a lab's programs take, by its scorer's contract."""
    candidate, scorer = config.candidate, config.scorer
    if scorer.contract in _BESIDE:
        return Needs(Need(candidate.cpus + scorer.cpus, candidate.gpus), Need(0.0))
    return Needs(Need(candidate.cpus, candidate.gpus), Need(scorer.cpus))


def require_room(config: Config, capacity: Capacity) -> None:
    """See that each of a lab's programs can run at all.

    Raises:
        ConfigError: One needs more cores or cards than there are; it would wait for ever.
    """
    needs = needs_of(config)
    faults: list[tuple[tuple[str, str], str]] = []
    if needs.execution.cpus > capacity.cpus:
        beside = " and scorer.cpus, as both run at once" if config.scorer.contract in _BESIDE else ""
        faults.append(
            (("candidate", "cpus"), f"candidate.cpus{beside}: {_cores(needs.execution.cpus, capacity)}")
        )
    if needs.scoring.cpus > capacity.cpus:
        faults.append((("scorer", "cpus"), f"scorer.cpus: {_cores(needs.scoring.cpus, capacity)}"))
    asked = config.strategy.settings.get("cpus")
    if config.strategy.name == _PROGRAM and isinstance(asked, int | float) and asked > capacity.cpus:
        faults.append((("strategy", "cpus"), f"strategy.cpus: {_cores(asked, capacity)}"))
    if needs.execution.gpus > len(capacity.cards):
        found = f"{len(capacity.cards)}" + (f" ({', '.join(capacity.cards[:8])})" if capacity.cards else "")
        message = f"candidate.gpus: {needs.execution.gpus} cards are asked for, and there are {found}"
        faults.append((("candidate", "gpus"), message))
    if faults:
        raise ConfigError(
            f"{config.source.name} asks for more than this machine has.",
            "Ask for less there, or say in [resources] what there is; `nvidia-smi -L` lists cards.",
            tuple(config.fault(place, message) for place, message in faults),
        )


def _cores(asked: float, capacity: Capacity) -> str:
    return f"{asked:g} cores are asked for, and there are {capacity.cpus:g}"
