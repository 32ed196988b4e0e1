"""What the ledger says of a tree, so that none is run twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lab_plugin.config import USAGE_METRICS
from lab_plugin.lab import Lab
from lab_plugin.ledger import LockRecord, State, VerdictRecord
from lab_plugin.pruning import DIVERGED, Pruned
from lab_plugin.scorer import Score


@dataclass(frozen=True)
class Answer:
    """A score that the ledger has already, for a tree that was scored before.

    Attributes:
        number: The idea that was scored; 0 for the commit that the lock scored.
        score: What came of it, with no seconds.
    """

    number: int
    score: Score


def find_answer(lab: Lab, state: State, tree: str) -> Answer | None:
    """What the ledger says of a tree in this epoch, at the tier of the lab that is given.

    Args:
        lab: The lab, as it is at a tier.
        state: The ledger.
        tree: The tree.

    Returns:
        None when it was never scored there, or must be scored anew: since the machine has changed, because
        the host measures the metric, which hangs on the moment, or because it was pruned by a pruner that the
        lab does not have any more.
    """
    lock, metric = state.lock, lab.config.scorer.metric
    if lock is None or metric in USAGE_METRICS:
        return None
    if not state.moved and lab.repository.tree_of(lock.commit) == tree:
        return _of_lock(lock, lab.config.tier, metric)
    result = state.results.find_tree(lock.epoch, lab.config.tier, tree, state.moved)
    if result is not None:
        value = result.metrics.get(metric)
        return Answer(result.number, Score(status="scored", value=value, metrics=result.metrics))
    record = state.find_tree(tree)
    if record is None or record.tier != lab.config.tier:
        return None
    answer = _of_verdict(record, tree)
    if answer is None or answer.score.pruned is None:
        return answer
    # It answers as long as the lab prunes in the same way.
    rule = lab.config.pruning
    return answer if rule is not None and answer.score.pruned.pruner in (rule.pruner, DIVERGED) else None


def _of_lock(lock: LockRecord, tier: str, metric: str) -> Answer | None:
    if tier in lock.tiers:
        metrics = lock.tiers[tier].metrics
        return Answer(0, Score(status="scored", value=metrics.get(metric), metrics=metrics))
    return Answer(0, Score(status="scored", value=lock.value, metrics=lock.metrics))


def _of_verdict(record: VerdictRecord, tree: str) -> Answer | None:
    point = next((point for point in record.points if point.tree == tree), None)
    found, reason = (record.pruned, record.reason) if point is None else (point.pruned, point.reason)
    if found is not None:
        pruned = Pruned(found.step, found.value, found.pruner, reason)
        return Answer(record.number, Score(status="pruned", reason=reason, pruned=pruned))
    if point is not None:
        score = Score(status=point.status, reason=point.reason, value=point.value, metrics=point.metrics)
        return Answer(record.number, score)
    if record.value is not None:
        score = Score(status="scored", value=record.value, metrics=record.metrics)
        return Answer(record.number, score)
    if not record.sandbox and record.duplicate_of is None:
        # Nothing of it ever ran: it broke a rule, or what it was to run after was not kept.
        return None
    status: dict[str, Literal["crashed", "rejected"]] = {"crashed": "crashed", "rejected": "rejected"}
    if record.verdict not in status:
        # It was never run to its end here.
        return None
    return Answer(record.number, Score(status=status[record.verdict], reason=record.reason))
