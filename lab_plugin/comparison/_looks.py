"""The champion, scored again now and then: has the machine changed, or is a scorer not what it seemed?"""

from __future__ import annotations

from lab_plugin.comparison._history import History
from lab_plugin.comparison._repeats import Repeats
from lab_plugin.comparison._rules import noise_record
from lab_plugin.decision import Noise, Pairs, contradicted, look_for_drift
from lab_plugin.ledger import Drift


async def look_again(
    repeats: Repeats, history: History, number: int, tree: str, metric: str
) -> tuple[Drift | None, float]:
    """Score the champion once more on a seed that it was scored on.

    Where a metric without noise differs, it is run a third time: when that agrees with neither, or only with
    the first, the scorer is not deterministic; when it agrees with the second, the machine has changed.

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
    seeds = list(history.scores)
    seed = seeds[len(history.looks) % len(seeds)]
    before = history.scores[seed]
    score = await repeats.score(number, tree, None, seed, again=True)
    seconds = score.seconds
    if score.value is None:
        return None, seconds
    after = {name: score.metrics[name] for name in before}
    found: dict[str, Noise] = {}
    suspects = [name for name in before if history.noises[name].deterministic and after[name] != before[name]]
    if suspects:
        third = await repeats.score(number, tree, None, seed, again=True)
        seconds += third.seconds
        for name in suspects:
            if third.metrics.get(name) != after[name]:
                values = [before[name], after[name], third.metrics.get(name, before[name])]
                found[name] = contradicted(history.noises[name], values) or history.noises[name]
    moved, by = (
        _moved(history, metric, (after[metric], before[metric])) if metric not in found else (False, None)
    )
    drift = Drift(
        champion=number,
        seed=seed,
        before=before,
        after=after,
        moved=moved,
        by=by,
        found={name: noise_record(noise) for name, noise in found.items()},
    )
    return drift, seconds


def _moved(history: History, metric: str, newest: tuple[float, float]) -> tuple[bool, float | None]:
    looks = [*history.looks, newest]
    pairs = Pairs(tuple(after for after, _ in looks), tuple(before for _, before in looks))
    drift = look_for_drift(history.noises[metric], pairs)
    return drift.moved, drift.by
