"""Every verdict, decided again from the numbers in its record."""

from __future__ import annotations

from collections.abc import Iterator

from lab_plugin.decision import DecisionRule, open_rule
from lab_plugin.epoch import load_lock
from lab_plugin.errors import LabError
from lab_plugin.lab import Lab
from lab_plugin.ledger import LockRecord, Problem, Proof, VerdictRecord

_DECIDED = ("kept", "reverted", "inconclusive")
_REMEDY = "The record was not made by this rule: compare with a clone that was fetched before."


def decision_problems(lab: Lab, proof: Proof) -> Iterator[Problem]:
    """Check that each verdict is the one that its epoch's rule gives for its value and the champion's.

    Only a rule that decides by these two numbers alone can be asked again. A hold-out may turn a keep into a
    revert, never the other way round. An epoch whose lock cannot be read is told of elsewhere, and its
    verdicts are passed over here.
    """
    rules: dict[int, DecisionRule] = {}
    for _, record in proof.locks:
        if (rule := _rule(lab, record)) is not None:
            rules[record.epoch] = rule
    for verdict in proof.state.ideas.values():
        rule, value, against = rules.get(verdict.epoch), verdict.value, verdict.champion_value
        if rule is None or verdict.verdict not in _DECIDED or value is None or against is None:
            continue
        expected = rule.compare(value, against).verdict
        if expected != verdict.verdict and not _turned(verdict, expected):
            number, place = verdict.number, proof.ideas[verdict.number]
            what = f"idea {number} is not what the rule of epoch {verdict.epoch} decides"
            yield Problem(place.commit, what, _REMEDY, place.record, number, expected, verdict.verdict)


def _rule(lab: Lab, record: LockRecord) -> DecisionRule | None:
    try:
        decision = load_lock(lab, record).terms.rules["decision"]
        if decision["policy"] != "exact":
            return None
        return open_rule(decision["policy"], record.goal, float(decision["min_improvement"]))
    except (LabError, KeyError, TypeError, ValueError):
        return None


def _turned(record: VerdictRecord, expected: str) -> bool:
    sealed = record.holdout is not None and record.holdout.outcome in ("worse", "no_value", "unlooked")
    return expected == "kept" and record.verdict == "reverted" and sealed
