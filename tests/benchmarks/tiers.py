"""The digits example with its tiers against plain `tpe`: the example's own trainings, counted in epochs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lab_plugin.config import Config, load
from lab_plugin.promotion import Rung
from lab_plugin.proposers import Outcome, Proposer, Request, Setup, open_proposer
from lab_plugin.simulation._no_sandbox import NoSandbox
from tests.benchmarks._digits import FOLDER, Trainings
from tests.benchmarks._report import figure

IDEAS = (12, 24, 40)
SEARCHES = 24
FRESH = tuple(range(1_000, 1_008))


@dataclass(frozen=True)
class Found:
    """One result at the last tier, and the epochs that its search had spent by then, at all tiers."""

    epochs: int
    accuracy: float
    params: Mapping[str, Any]


Search = Sequence[Found]


def main() -> None:
    config, trainings = load(FOLDER / "lab.toml"), Trainings()
    plain = [list(_plain(config, trainings, seed)) for seed in range(SEARCHES)]
    trainings.save()
    tiered = {
        name: [
            list(_tiered(config, trainings, seed, plain[seed][-1].epochs, told)) for seed in range(SEARCHES)
        ]
        for name, told in (("not told", False), ("told", True))
    }
    trainings.save()
    for ideas in IDEAS:
        _compare(trainings, ideas, plain, tiered)
    trainings.save()


def _compare(
    trainings: Trainings, ideas: int, plain: Sequence[Search], tiered: Mapping[str, Sequence[Search]]
) -> None:
    """What so many ideas of plain `tpe` found, beside the tiers with half their epochs."""
    whole = [search[ideas - 1].epochs for search in plain]
    half = [epochs // 2 for epochs in whole]
    best = _best(plain, whole)
    wanted = _spread(f"{ideas} ideas, plain", best)
    _spread("  on fresh seeds", _fresh(trainings, best))
    _spread("half the epochs, plain", _best(plain, half))
    for name, searches in tiered.items():
        found = _best(searches, half)
        _spread(f"half the epochs, tiers, {name}", found, target=f"{wanted:.4f}")
        _spread("  on fresh seeds", _fresh(trainings, found))
        _difference(found, best)
    for name, searches in {"plain": plain, **tiered}.items():
        _reach(f"epochs to {wanted:.4f}, {name}", searches, wanted)


def _plain(config: Config, trainings: Trainings, seed: int) -> Iterator[Found]:
    """Every idea is trained whole."""
    proposer, last, epochs = _proposer(config, seed), config.tiers[-1].name, 0
    for number in range(1, max(IDEAS) + 1):
        params = _ask(proposer, number)
        accuracy = trainings.accuracy(params, last)
        epochs += trainings.epochs(params, last)
        proposer.tell(Outcome(number=number, params=params, value=accuracy))
        yield Found(epochs, accuracy, params)


def _tiered(config: Config, trainings: Trainings, seed: int, most: int, told: bool) -> Iterator[Found]:
    """Every idea is trained at the first tier, and whole once it is promoted.

    Args:
        config: The example's.
        trainings: Its trainings.
        seed: Of the proposer.
        most: No idea is made once so many epochs are spent.
        told: Whether the proposer knows at once of an idea that waits at the first tier, and what it scored
            there, as in a campaign. Otherwise the idea is under way for it until it has a verdict.
    """
    first, last = config.tiers
    assert first.promote is not None
    rung, epochs, proposer = Rung(first.promote, config.scorer.goal), 0, _proposer(config, seed)
    ideas: dict[int, Outcome] = {}
    while epochs < most:
        number = len(ideas) + 1
        if told:
            proposer = _proposer(config, seed)
            for outcome in ideas.values():
                proposer.tell(outcome)
        params = _ask(proposer, number)
        value = trainings.accuracy(params, first.name)
        epochs += trainings.epochs(params, first.name)
        ideas[number] = Outcome(number=number, params=params, tiers={first.name: value})
        for each in rung.add(number, value):
            params = ideas[each].params
            accuracy = trainings.accuracy(params, last.name)
            epochs += trainings.epochs(params, last.name)
            ideas[each] = Outcome(number=each, params=params, value=accuracy)
            if not told:
                proposer.tell(ideas[each])
            yield Found(epochs, accuracy, params)


def _proposer(config: Config, seed: int) -> Proposer:
    assert config.search_space is not None
    setup = Setup(
        settings={},
        space=config.search_space.parameters,
        goal=config.scorer.goal,
        sandbox=NoSandbox(),
        seed=seed,
        tiers={tier.name: tier.config.scorer.goal for tier in config.screening},
    )
    return open_proposer("tpe", setup)


def _ask(proposer: Proposer, number: int) -> Mapping[str, Any]:
    nowhere = Path("/nonexistent")
    request = Request(lab="digits", number=number, parent="0" * 40, workspace=None, destination=nowhere)
    return asyncio.run(proposer.ask(request)).points[0]


def _best(searches: Sequence[Search], epochs: Sequence[int]) -> list[Found]:
    """The best of each search within its epochs, and nothing found where none had ended by then."""
    nothing = Found(0, 0.0, {})
    return [
        max((one for one in search if one.epochs <= most), key=lambda one: one.accuracy, default=nothing)
        for search, most in zip(searches, epochs, strict=True)
    ]


def _fresh(trainings: Trainings, found: Sequence[Found]) -> list[Found]:
    """The same, by the mean over seeds that no search saw."""

    def mean(one: Found) -> float:
        scores = [trainings.accuracy(one.params, "final", seed) for seed in FRESH if one.params]
        return float(np.mean(scores)) if scores else one.accuracy

    return [replace(one, accuracy=mean(one)) for one in found]


def _spread(what: str, found: Sequence[Found], *, target: str = "") -> float:
    low, middle, high = np.quantile([one.accuracy for one in found], (0.25, 0.5, 0.75))
    figure(what, float(middle), f"({low:.4f} to {high:.4f})", target=target)
    return float(middle)


def _difference(found: Sequence[Found], best: Sequence[Found]) -> None:
    pairs = [ours.accuracy - theirs.accuracy for ours, theirs in zip(found, best, strict=True)]
    error = float(np.std(pairs, ddof=1)) / len(pairs) ** 0.5
    figure("  above plain, mean of pairs", float(np.mean(pairs)), f"(standard error {error:.4f})", target="0")


def _reach(what: str, searches: Sequence[Search], accuracy: float) -> None:
    """Epochs until a search has found that accuracy; those that never do count as endless."""
    needed = [next((one.epochs for one in search if one.accuracy >= accuracy), np.inf) for search in searches]
    low, middle, high = np.quantile(needed, (0.25, 0.5, 0.75), method="higher")
    figure(what, float(middle), f"({low:g} to {high:g})")
