"""The champion, scored again now and then: has the machine changed, or is a scorer not what it seemed?"""

from __future__ import annotations

from collections.abc import Mapping

from lab_plugin.comparison._history import History
from lab_plugin.comparison._repeats import Repeats
from lab_plugin.comparison._rules import noise_record
from lab_plugin.decision import Noise, Pairs, contradicted, look_for_drift
from lab_plugin.ledger import Drift

_PAIRS = 8
_ERROR = 0.01


async def look_again(
    repeats: Repeats, history: History, number: int, tree: str, metric: str
) -> tuple[Drift | None, float]:
    """Score the champion once more on a seed that it was scored on, and go on where that looks odd.

    Where the score differs, it is taken a third time. When that agrees with the second, the score repeats on
    a seed and the machine has changed. When it does not, a metric without noise is none, and one with noise
    is compared on further seeds, now, until it is clear: earlier looks, which saw nothing, do not count.

    Args:
        repeats: Runs it.
        history: What is known of it.
        number: The champion's idea.
        tree: The champion's tree.
        metric: The lab's.

    Returns:
        What was seen, None where the champion had no score now; and the wall seconds of the trials.

    Raises:
        SandboxUnavailable: The sandbox broke; may be called again.
    """
    look = _Look(repeats, number, tree)
    known, noises = dict(history.scores), dict(history.noises)
    seeds = list(known)
    turn = history.looks % len(seeds)
    seed, *others = seeds[turn:] + seeds[:turn]
    before, after = known[seed], await look.score(seed)
    if after is None:
        return None, look.seconds
    after = {name: after[name] for name in before}
    found: dict[str, Noise] = {}
    moved: bool = False
    by: float | None = after[metric] - before[metric]
    watched = [name for name in before if noises[name].deterministic or name == metric]
    if changed := [name for name in watched if after[name] != before[name]]:
        third = await look.score(seed) or after
        loose = [name for name in changed if third[name] != after[name]]
        for name in loose:
            if noise := contradicted(noises[name], [before[name], after[name], third[name]]):
                found[name] = noise
        moved = metric in changed and metric not in loose
        if metric in loose and metric not in found:
            pairs = [(after[metric], before[metric]), (third[metric], before[metric])]
            further = {other: known[other] for other in others}
            moved, by = await look.go_on(pairs, further, metric, noises[metric])
    drift = Drift(
        champion=number,
        seed=seed,
        before=before,
        after=after,
        moved=moved,
        by=by,
        found={name: noise_record(noise) for name, noise in found.items()},
    )
    return drift, look.seconds


class _Look:
    """One look.

    Attributes:
        seconds: Wall seconds of its trials.
    """

    def __init__(self, repeats: Repeats, number: int, tree: str) -> None:
        self._repeats = repeats
        self._number = number
        self._tree = tree
        self.seconds = 0.0

    async def score(self, seed: int) -> Mapping[str, float] | None:
        """The champion's metrics now; None where it has no score."""
        score = await self._repeats.score(self._number, self._tree, None, seed, again=True)
        self.seconds += score.seconds
        return None if score.value is None else score.metrics

    async def go_on(
        self,
        pairs: list[tuple[float, float]],
        known: Mapping[int, Mapping[str, float]],
        metric: str,
        noise: Noise,
    ) -> tuple[bool, float | None]:
        """Take further seeds as long as the difference is as large as the noise of one, and not yet shown."""
        for seed, before in known.items():
            drift = look_for_drift(noise, _pairs(pairs), _ERROR)
            quiet = drift.by is not None and abs(drift.by) < noise.difference_sd
            if drift.moved or quiet or len(pairs) >= _PAIRS:
                break
            if (after := await self.score(seed)) is not None:
                pairs.append((after[metric], before[metric]))
        drift = look_for_drift(noise, _pairs(pairs), _ERROR)
        return drift.moved, drift.by


def _pairs(pairs: list[tuple[float, float]]) -> Pairs:
    return Pairs(tuple(after for after, _ in pairs), tuple(before for _, before in pairs))
