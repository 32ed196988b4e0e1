"""The policy `significant`: kept when it was shown to be better, at an error that a whole campaign
shares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lab_plugin.decision._decision import Decision
from lab_plugin.decision._evidence import Evidence
from lab_plugin.decision._found import switch_to_noisy
from lab_plugin.decision._guards import look_at_guards
from lab_plugin.decision._levels import Level
from lab_plugin.decision._noise import Noise
from lab_plugin.decision._plain import compare_exactly
from lab_plugin.decision._rules import Rules
from lab_plugin.decision._simplicity import walk_for_simplicity
from lab_plugin.decision._tested import Tested, test_metric, test_samples
from lab_plugin.decision._walk import Walk

_BETTER = "better"


def decide_significant(
    rules: Rules, noises: Mapping[str, Noise], evidence: Evidence, level: Level, figures: bool = True
) -> Decision:
    """Decide by the test that the noise calls for.

    A scorer without noise is compared exactly, on samples where its scorecards have them; a keep wants a
    second seed with the same scores, which is how noise that the calibration missed is found out.
    """
    noises, found = switch_to_noisy(noises, evidence)
    if noises[rules.metric].deterministic:
        return replace(_without_noise(rules, noises, evidence, level), found=found)
    tested = test_metric(rules, noises[rules.metric], evidence, level)
    tested = tested if figures else tested.bare()
    decision = _settle(rules, noises, evidence, level, tested)
    if not found:
        return decision
    names = ", ".join(sorted(found))
    reason = f"{decision.reason} (taken for deterministic and is not: {names}; compared as noisy)"
    return replace(decision, reason=reason, found=found)


def _settle(
    rules: Rules, noises: Mapping[str, Noise], evidence: Evidence, level: Level, tested: Tested
) -> Decision:
    spent_all = evidence.repeats >= rules.max_repeats
    guards = look_at_guards(rules, noises, evidence)
    if guards.broken and not tested.hopeless:
        return tested.decide("revert", guards.broken)
    simpler = walk_for_simplicity(rules, noises, evidence, level)
    reason = _keepable(tested, simpler, evidence, level, spent_all)
    if reason and not guards.open:
        return replace(tested.decide("keep", reason), simpler=reason != _BETTER)
    if tested.hopeless and not reason and (simpler is None or simpler.state == "hopeless"):
        return tested.decide("revert", tested.loss(rules.detect))
    if not spent_all and level.base > 0:
        return tested.decide("continue", guards.open if reason else "still open")
    if tested.hopeless and not reason:
        return tested.decide("revert", "not shown to be as good, though simpler")
    if level.base == 0:
        return tested.decide("inconclusive", "the campaign has no error left to spend")
    return tested.decide("inconclusive", guards.open if reason else "not clear after all repeats")


def _keepable(tested: Tested, simpler: Walk | None, evidence: Evidence, level: Level, spent_all: bool) -> str:
    """Why the idea may be kept; "" when it may not, or not yet."""
    if tested.better or (spent_all and tested.evidence >= level.least and tested.ahead):
        return _BETTER
    if simpler is None:
        return ""
    if simpler.state == "better" or (spent_all and simpler.log_evidence >= level.least):
        return f"as good and simpler ({evidence.simpler})"
    return ""


def _without_noise(rules: Rules, noises: Mapping[str, Noise], evidence: Evidence, level: Level) -> Decision:
    exact = compare_exactly(rules, evidence)
    guards = look_at_guards(rules, noises, evidence)
    if exact.state != "keep":
        return exact
    if guards.broken:
        return replace(exact, state="revert", reason=guards.broken)
    if evidence.repeats < min(2, rules.max_repeats):
        return replace(exact, state="continue", reason=f"{exact.reason}; to be seen again on another seed")
    if guards.open:
        spent_all = evidence.repeats >= rules.max_repeats
        return replace(exact, state="inconclusive" if spent_all else "continue", reason=guards.open)
    if evidence.samples is None:
        return exact
    tested = test_samples(rules, evidence.samples, evidence, level)
    if tested.evidence >= level.least and tested.ahead:
        return tested.decide("keep", exact.reason)
    return tested.decide("inconclusive", f"{exact.reason}, but the samples do not show it")
