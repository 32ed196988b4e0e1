"""Histories of labs with tiers: what is known of each idea, and what has to be guessed."""

import random

import pytest

from lab_plugin.errors import LabError
from lab_plugin.promotion import TopK
from lab_plugin.simulation import (
    SPACE,
    Costs,
    History,
    PastIdea,
    PastPoint,
    Result,
    Scenario,
    Screen,
    document,
    simulate,
)
from lab_plugin.simulation._filling import filled

SCREEN = Screen("proxy", TopK(4), goal="minimize")


def idea(number, loss, score=None, *, promoted=True):
    results = {"proxy": Result(1.0, loss, loss)}
    if promoted:
        results["final"] = Result(10.0, score, score)
    return PastIdea(number, results)


def history(ideas, **more):
    whole = filled(ideas, ("proxy", "final"))
    guessed = sum("final" not in each.results for each in ideas)
    return History(
        metric="score", goal="maximize", last="final", ideas=whole, screens=(SCREEN,), guessed=guessed, **more
    )


def straight(count, every=2):
    """A loss of n stands for a score of 100 - n; only every so many was promoted."""
    return [idea(n, float(n), 100.0 - n, promoted=n % every == 0) for n in range(count)]


def test_what_is_missing_lies_on_the_line_of_what_is_known():
    whole = filled(straight(40), ("proxy", "final"))
    assert [each.results["final"].quality for each in whole] == pytest.approx([100.0 - n for n in range(40)])
    assert {each.results["final"].seconds for each in whole} == {10.0}


def test_guesses_vary_as_much_as_what_is_known():
    source = random.Random(4)
    ideas = [idea(n, float(n), 100 - n + source.gauss(0, 5), promoted=n % 2 == 0) for n in range(400)]
    guessed = [each.results["final"] for each in filled(ideas, ("proxy", "final")) if each.number % 2]
    spread = sum((result.value - result.quality) ** 2 for result in guessed) / len(guessed)
    assert spread**0.5 == pytest.approx(5, rel=0.25)


def test_an_idea_that_crashed_crashes_further_on():
    ideas = [*straight(20), idea(20, None, promoted=False)]
    assert filled(ideas, ("proxy", "final"))[20].results["final"].value is None


def test_too_few_promoted_ideas_are_said():
    with pytest.raises(LabError, match="5 ideas have a result at both proxy and final"):
        filled(straight(10), ("proxy", "final"))


def test_a_replay_uses_the_ledgers_results_and_the_tiers_own_goal():
    past = history(straight(40))
    asked = Scenario(history=past, screens=past.screens, ideas=40, costs=Costs())
    found = simulate(asked, [1, 4])
    for outcome in found.outcomes:
        assert outcome.trace.trials == {"proxy": 40, "final": 4}
        assert outcome.trace.busy == {"proxy": 40.0, "final": 40.0}
        assert outcome.best[-1].quality == 100.0
    text = " ".join(document(asked, found)["notes"])
    assert "20 ideas never came to final" in text
    assert "Values at proxy are those of the ledger" in text


def test_a_strategy_gets_the_correlation_that_the_ledger_shows():
    points = tuple(PastPoint(dict.fromkeys(SPACE, n / 20), Result(10, float(n), float(n))) for n in range(20))
    past = history(straight(40), points=points)
    asked = Scenario(
        history=past, screens=past.screens, ideas=12, costs=Costs(), strategy="random", parameters=SPACE
    )
    found = simulate(asked, [2])
    trace = found.outcomes[0].trace
    assert trace.trials == {"proxy": 12, "final": 4}
    assert trace.busy["proxy"] == 12.0
    assert "a rank correlation of 1 to those at final, as in the ledger" in " ".join(
        document(asked, found)["notes"]
    )


def test_a_tier_that_tells_nothing_must_be_stated():
    points = tuple(PastPoint(dict.fromkeys(SPACE, n / 20), Result(10, float(n), float(n))) for n in range(20))
    past = history([idea(n, 1.0, float(n)) for n in range(10)], points=points)
    asked = Scenario(
        history=past, screens=past.screens, ideas=12, costs=Costs(), strategy="random", parameters=SPACE
    )
    with pytest.raises(LabError, match="How well proxy foretells final"):
        simulate(asked, [1])
