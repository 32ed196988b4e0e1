"""Every verdict, decided again from the numbers in its record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lab_plugin.comparison import WORDS, as_itself, decide_again, pair_samples, rules_of, samples_of
from lab_plugin.config import Decision
from lab_plugin.decision import DecisionRule, Rules, SamplePairs, open_rule
from lab_plugin.epoch import load_lock
from lab_plugin.errors import LabError
from lab_plugin.lab import Lab
from lab_plugin.ledger import Comparison, LockRecord, Problem, Proof, VerdictRecord

_DECIDED = ("kept", "reverted", "inconclusive")
_REMEDY = "The record was not made by this rule: compare with a clone that was fetched before."


@dataclass(frozen=True)
class _Rule:
    """What an epoch decides by.

    Attributes:
        lock: Its record.
        decision: `[decision]` as it was locked.
    """

    lock: LockRecord
    decision: Decision

    def rules(self, comparison: Comparison) -> Rules:
        """The rules of one comparison, which may be given more repeats than others."""
        metric, goal, tries = self.lock.metric, self.lock.goal, comparison.tries
        return rules_of(self.decision, metric, goal, tries, comparison.max_repeats)

    def exact(self) -> DecisionRule | None:
        """The rule for records without a comparison, where it needs no more than two values."""
        improvement = self.decision.min_improvement
        if self.decision.policy != "exact" or not isinstance(improvement, float):
            return None
        return open_rule("exact", self.lock.goal, improvement)


def decision_problems(lab: Lab, proof: Proof) -> Iterator[Problem]:
    """Check that each verdict is the one that its epoch's rule gives for the scores in its record.

    A hold-out may turn a keep into a revert, never the other way round. An epoch whose lock cannot be read is
    told of elsewhere, and its verdicts are passed over here.
    """
    rules = {record.epoch: rule for _, record in proof.locks if (rule := _rule(lab, record)) is not None}
    champions: dict[int, tuple[int, str]] = {}
    for verdict in proof.state.ideas.values():
        rule = rules.get(verdict.epoch)
        if rule is None:
            continue
        champion = champions.setdefault(
            verdict.epoch, (rule.lock.champion, lab.repository.tree_of(rule.lock.commit))
        )
        if verdict.verdict in _DECIDED and verdict.value is not None:
            expected = _expected(lab, proof, rule, verdict, champion[1])
            if expected not in ("", verdict.verdict) and not _turned(verdict, expected):
                number, place = verdict.number, proof.ideas[verdict.number]
                what = f"idea {number} is not what the rule of epoch {verdict.epoch} decides"
                yield Problem(place.commit, what, _REMEDY, place.record, number, expected, verdict.verdict)
        if verdict.verdict == "kept":
            champions[verdict.epoch] = (verdict.number, verdict.tree)


def _expected(lab: Lab, proof: Proof, rule: _Rule, verdict: VerdictRecord, champion: str) -> str:
    """The verdict that follows from a record; "" where it cannot be told from the ledger alone."""
    found, against = verdict.comparison, verdict.champion_value
    if found is None:
        exact = rule.exact()
        if exact is None or verdict.value is None or against is None:
            return ""
        return exact.compare(verdict.value, against).verdict
    try:
        rules = rule.rules(found)
        rules = as_itself(rules) if verdict.tree == champion else rules
        state = decide_again(found, rules, _samples(lab, proof, rule, verdict, found)).state
        return WORDS.get(state, "still open")
    except (LabError, ValueError, KeyError) as error:
        return f"nothing that can be told ({error})"


def _samples(
    lab: Lab, proof: Proof, rule: _Rule, verdict: VerdictRecord, found: Comparison
) -> SamplePairs | None:
    """The sample scores of both sides, where they were compared."""
    if not found.samples:
        return None
    if not verdict.details and verdict.duplicate_of:
        verdict = proof.state.ideas[verdict.duplicate_of]
    kept = found.champion != rule.lock.champion
    theirs = proof.state.ideas[found.champion] if kept else rule.lock
    return pair_samples(lab.config, samples_of(lab, verdict), samples_of(lab, theirs))


def _rule(lab: Lab, record: LockRecord) -> _Rule | None:
    decision = locked_decision(lab, record)
    return None if decision is None else _Rule(record, decision)


def locked_decision(lab: Lab, record: LockRecord) -> Decision | None:
    """`[decision]` as it was locked; None where it cannot be read."""
    try:
        return Decision.model_validate(load_lock(lab, record).terms.rules["decision"])
    except (LabError, KeyError, TypeError, ValueError):
        return None


def _turned(record: VerdictRecord, expected: str) -> bool:
    sealed = record.holdout is not None and record.holdout.outcome in ("worse", "no_value", "unlooked")
    return expected == "kept" and record.verdict == "reverted" and sealed
