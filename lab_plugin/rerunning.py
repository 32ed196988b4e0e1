"""Which ideas may go on with their comparison, and how far."""

from __future__ import annotations

from collections.abc import Sequence

from lab_plugin.errors import LabError
from lab_plugin.lab import Lab
from lab_plugin.ledger import VerdictRecord
from lab_plugin.lookup import find_idea

_TIMES = 2


def plan_reruns(lab: Lab, ideas: Sequence[str], repeats: int | None) -> dict[int, int]:
    """Look ideas up that are to be taken up again.

    Args:
        lab: The lab.
        ideas: Each as `find_idea` takes it.
        repeats: Repeats in all; None for twice as many as each had.

    Returns:
        Idea -> repeats in all.

    Raises:
        LabError: There is no such idea, its answer is clear already, it is of another epoch, it went on in a
            later idea, or it has that many repeats.
    """
    return dict(_plan(lab, find_idea(lab, text), repeats) for text in ideas)


def _plan(lab: Lab, record: VerdictRecord, repeats: int | None) -> tuple[int, int]:
    state, name = lab.ledger.state(), f"idea {record.number}"
    if record.verdict != "inconclusive":
        why = f"Only inconclusive ideas go on; {name} was {record.verdict}: {record.reason[:200]}"
        raise LabError(why, "`lab results` says which ideas are inconclusive.")
    if record.comparison is None:
        raise LabError(f"{name.capitalize()} has no comparison to go on with: {record.reason[:200]}")
    if state.lock is None or record.epoch != state.lock.epoch:
        raise LabError(
            f"{name.capitalize()} was compared in epoch {record.epoch}, which is over.",
            "Scores of different epochs are never compared: propose it again.",
        )
    if record.sequence <= state.moved:
        raise LabError(
            f"The champion's scores have moved since {name} was compared: the machine has changed.",
            "Its scores cannot go on: propose it again.",
        )
    later = next((other for other in state.ideas.values() if other.continues == record.number), None)
    if later is not None:
        raise LabError(
            f"{name.capitalize()} went on in idea {later.number}, which is {later.verdict}.",
            f"Take that one up: lab rerun {later.number}",
        )
    have = len(record.comparison.seeds)
    wanted = repeats or _TIMES * have
    if wanted <= have:
        raise LabError(
            f"{name.capitalize()} has {have} repeats already, and --repeats is of all of them.",
            f"Give more than {have}.",
        )
    return record.number, wanted
