"""Simplicity: an idea that is as good and simpler is kept, when that it is as good was shown."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from lab_plugin.decision._evidence import Evidence, Margin
from lab_plugin.decision._levels import NOISE_SHARE, Level
from lab_plugin.decision._noise import Noise
from lab_plugin.decision._process import open_bets
from lab_plugin.decision._rules import Rules
from lab_plugin.decision._walk import Walk, lacking, walk


def exactly_simpler(rules: Rules, evidence: Evidence) -> str:
    """Why an idea with exact scores is kept although it is not better; "" when it is not."""
    if rules.simplicity is None or not evidence.simpler:
        return ""
    pairs = evidence.metrics[rules.metric].first(1)
    loss = Fraction(pairs.champion[0]) - Fraction(pairs.candidate[0])
    loss = loss if rules.goal == "maximize" else -loss
    allowed = Fraction(rules.simplicity.absolute(pairs.reference)) - Fraction(evidence.slack)
    return f"as good and simpler ({evidence.simpler})" if loss <= max(allowed, Fraction(0)) else ""


def walk_for_simplicity(
    rules: Rules, noises: Mapping[str, Noise], evidence: Evidence, level: Level
) -> Walk | None:
    """The comparison "worse by less than the margin", for an idea that is simpler.

    Equivalence is shown by excluding a loss of the margin (Schuirmann 1987, of whose two tests a keep
    needs the one). It takes no error beyond the idea's level: where it may err, the idea is worse by the
    margin or more, and the test for "better" then errs only where this one does.

    What was risked for simplicity since the last real improvement is taken off the margin, so that many
    small losses do not add up.

    Returns:
        None when the idea is not simpler, or when the margin is too small to be shown with the repeats.
    """
    margin = rules.simplicity
    if margin is None or not evidence.simpler:
        return None
    pairs, noise = evidence.metrics[rules.metric], noises[rules.metric]
    allowed = margin.absolute(pairs.champion[0]) - evidence.slack
    bets = open_bets(noise, rules.error * NOISE_SHARE)
    spread = noise.expected_sd
    if allowed <= 0 or lacking(bets, level.needed, rules.max_repeats, allowed / spread, spread) > 0:
        return None
    skip = 1 if evidence.points > 1 else 0
    shifted = pairs.excess(rules.goal, Margin(allowed), -1)
    effect = min(allowed / spread, 4.0)
    return walk(shifted, bets, level.needed, effect=effect, spread=spread, skip=skip)
