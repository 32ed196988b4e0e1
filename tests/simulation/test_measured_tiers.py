"""Histories of labs with tiers: what is known of each idea, and what has to be guessed."""

import random
from types import SimpleNamespace

import pytest

from lab_plugin.config import parse
from lab_plugin.errors import LabError
from lab_plugin.ledger import LockRecord, State, TierRecord, VerdictRecord
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
    read_history,
    simulate,
)
from lab_plugin.simulation._filling import filled
from tests.conftest import EXAMPLES

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


TIERS = """
[tiers.proxy]
seeds = 1
promote = { top_k = 1, of = 2 }
timeout = "5s"

[tiers.final]
seeds = [0]
"""


def verdict(number, tier, word, value=None, **more):
    fields = {
        "at": "2026-01-01T00:00:00Z",
        "number": number,
        "slug": "s",
        "branch": "b",
        "campaign": 1,
        "epoch": 1,
        "strategy": "tpe",
        "hypothesis": "h",
        "commit": "c",
        "tree": f"t{number}",
        "parents": ("p",),
        "verdict": word,
        "reason": "r",
        "value": value,
        "tier": tier,
        "params": {"x": 0.1, "y": number / 20},
        "orchestration_seconds": 0.4,
    }
    return VerdictRecord(**{**fields, **more})


def screened(number, value):
    return TierRecord(
        at="2026-01-01T00:00:00Z",
        number=number,
        slug="s",
        campaign=1,
        epoch=1,
        tier="proxy",
        commit="c",
        tree=f"t{number}",
        seeds=(0,),
        values=(value,),
        value=value,
        digest="d",
        seconds=1.0,
    )


def ledger_of_a_tiered_lab():
    lock = LockRecord(
        at="2026-01-01T00:00:00Z",
        lab="rosenbrock",
        epoch=1,
        reason="r",
        digest="d",
        metric="value",
        goal="minimize",
        commit="c",
        tree="t",
        value=100.0,
    )
    records = [lock]
    for number in range(1, 21):
        records.append(screened(number, float(number)))
        if number % 2:
            records.append(verdict(number, "final", "reverted", 2.0 * number, seconds=11.0))
        else:
            records.append(verdict(number, "proxy", "reverted", seconds=1.0))
    records.append(verdict(21, "proxy", "crashed", seconds=3.0))
    records.append(verdict(22, "final", "kept", 1.0, seconds=50.0, continues=1))
    records.append(verdict(23, "final", "reverted", 0.0, seconds=9.0, epoch=2))
    state = State()
    for record in records:
        state = state.with_record(record)
    return state


def test_a_ledger_with_tiers_is_read_whole():
    text = (EXAMPLES / "rosenbrock" / "lab.toml").read_text() + TIERS
    config = parse(text, str(EXAMPLES / "rosenbrock" / "lab.toml"))
    state = ledger_of_a_tiered_lab()
    past = read_history(SimpleNamespace(config=config, ledger=SimpleNamespace(state=lambda: state)))
    assert [each.number for each in past.ideas] == list(range(1, 22))
    assert past.screens == (Screen("proxy", TopK(1, 2), goal="minimize"),)
    # A verdict's seconds are those of all tiers.
    assert past.ideas[0].results == {"proxy": Result(1, 1, 1), "final": Result(10, 2, 2)}
    assert past.ideas[1].results["final"].quality == pytest.approx(4.0)
    assert past.ideas[20].results == {"proxy": Result(3, None, None), "final": Result(10, None, None)}
    assert (past.guessed, past.orchestration, past.start) == (11, 0.4, 100.0)
    assert len(past.points) == 10
    assert {point.result.seconds for point in past.points} == {10.0}
