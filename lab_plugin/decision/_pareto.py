"""Several objectives: kept when better in one and worse in none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lab_plugin.decision._decision import Decision
from lab_plugin.decision._evidence import Evidence, Pairs
from lab_plugin.decision._found import switch_to_noisy
from lab_plugin.decision._guards import look_at_guards
from lab_plugin.decision._levels import NOISE_SHARE, Level
from lab_plugin.decision._noise import Noise
from lab_plugin.decision._process import Bets, open_bets
from lab_plugin.decision._rules import Objective, Rules
from lab_plugin.decision._statement import State, describe, measured
from lab_plugin.decision._walk import walk


@dataclass(frozen=True)
class Look:
    """How a candidate stands in one objective.

    Attributes:
        name: Of its metric.
        better: Shown to be better by more than the margin.
        sound: Shown not to be worse by the tolerance or more.
        worse: Shown to be worse by the tolerance or more.
        hopeless: Not better as far as one can see.
        evidence: For "better", logarithm.
    """

    name: str
    better: bool
    sound: bool
    worse: bool
    hopeless: bool
    evidence: float


def decide_pareto(rules: Rules, noises: Mapping[str, Noise], evidence: Evidence, level: Level) -> Decision:
    """Keep what is better in one objective, whichever, and worse in none.

    "Better in any" shares the idea's level between the objectives (Bonferroni); "worse in none" needs no
    share, as all must hold (intersection-union; Berger 1982). Where one is better and another worse, the
    tie-break named in the rules decides: kept when it is the one shown to be better.
    """
    noises, found = switch_to_noisy(noises, evidence)
    first = Objective(
        metric=rules.metric, goal=rules.goal, margin=rules.min_improvement, tolerance=rules.tolerance
    )
    objectives = (first, *rules.objectives)
    looks = [_look(one, noises[one.metric], evidence, rules, level, len(objectives)) for one in objectives]
    state, reason = _judge(looks, rules)
    guards = look_at_guards(rules, noises, evidence)
    if guards.broken and state in ("keep", "continue"):
        state, reason = "revert", guards.broken
    if state == "keep" and guards.open:
        state, reason = "continue", guards.open
    if state == "continue" and evidence.repeats >= rules.max_repeats:
        state = "inconclusive"
    return _decision(rules, noises, evidence, level, looks, state, reason, found)


def _judge(looks: Sequence[Look], rules: Rules) -> tuple[State, str]:
    better = [look for look in looks if look.better]
    worse = [look for look in looks if look.worse]
    names = ", ".join(look.name for look in better)
    if worse and not rules.tie_break:
        return "revert", f"worse in {worse[0].name}"
    if worse:
        tie = next(look for look in looks if look.name == rules.tie_break)
        if tie.better:
            return "keep", f"better in {names}, worse in {worse[0].name}; the tie-break is {tie.name}"
        if tie.worse or tie.hopeless:
            return "revert", f"worse in {worse[0].name}, and not better in the tie-break {tie.name}"
        return "continue", f"worse in {worse[0].name}; the tie-break {tie.name} is open"
    if better and all(look.better or look.sound for look in looks):
        return "keep", f"better in {names}, worse in none"
    if all(look.hopeless for look in looks):
        return "revert", "better in no objective"
    if better:
        unsure = next(look for look in looks if not (look.better or look.sound))
        return "continue", f"better in {names}; not shown to be no worse in {unsure.name}"
    return "continue", "not clear in any objective"


def _look(
    objective: Objective, noise: Noise, evidence: Evidence, rules: Rules, level: Level, shares: int
) -> Look:
    pairs = evidence.metrics[objective.metric]
    if noise.deterministic:
        return _exact_look(objective, pairs)
    bets = open_bets(noise, rules.error * NOISE_SHARE / shares)
    over = pairs.excess(objective.goal, objective.margin)
    within = pairs.excess(objective.goal, objective.tolerance, -1)
    needed = level.needed + math.log(shares)
    skip = 1 if evidence.points > 1 else 0
    way = walk(over, bets, needed, effect=rules.detect, spread=noise.expected_sd, skip=skip)
    ahead = math.fsum(value / len(over) for value in over) > 0
    return Look(
        name=objective.metric,
        better=way.state == "better" and ahead,
        sound=_shows(bets, within[skip:], level.needed),
        worse=_shows(bets, [-value for value in within], -math.log(rules.error)),
        hopeless=way.state == "hopeless",
        evidence=way.log_evidence,
    )


def _exact_look(objective: Objective, pairs: Pairs) -> Look:
    pairs = pairs.first(1)
    gain, over = pairs.gains(objective.goal)[0], pairs.excess(objective.goal, objective.margin)[0]
    within = pairs.excess(objective.goal, objective.tolerance, -1)[0]
    better = gain > 0 and over >= 0
    return Look(objective.metric, better, within >= 0, within < 0, not better, math.inf if better else 0.0)


def _shows(bets: Bets, gains: Sequence[float], needed: float) -> bool:
    scaled = bets.scaled(gains)
    if not bets.fits(scaled):
        bets = Bets(bets.unit, math.inf)
    return max(bets.trail(scaled), default=0.0) >= needed


def _decision(
    rules: Rules,
    noises: Mapping[str, Noise],
    evidence: Evidence,
    level: Level,
    looks: Sequence[Look],
    state: State,
    reason: str,
    found: Mapping[str, Noise],
) -> Decision:
    pairs, noise = evidence.metrics[rules.metric], noises[rules.metric]
    noisy = [look.evidence for look in looks if not noises[look.name].deterministic]
    if noise.deterministic:
        statement = describe(pairs)
    else:
        statement = measured(pairs, open_bets(noise, rules.error * NOISE_SHARE), rules.confidence)
    if noisy:
        best = max(noisy) - math.log(len(looks))
        needed = level.needed if math.isfinite(level.needed) else None
        statement = replace(statement, evidence=best, needed=needed, error_spent=level.base)
    kept = state == "keep" and bool(noisy)
    return Decision(state=state, reason=reason, statement=statement, controlled=kept, found=found)
