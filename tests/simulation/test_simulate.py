import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab_plugin.config import FloatParameter
from lab_plugin.errors import ConfigError, LabError, ProposerError
from lab_plugin.promotion import Decided, Quantile, Threshold, TopK
from lab_plugin.simulation import (
    SPACE,
    Costs,
    History,
    PastIdea,
    PastPoint,
    Result,
    Scenario,
    Screen,
    Synthetic,
    best_at,
    costs_of,
    document,
    simulate,
)

FREE = Costs()


def past(values, seconds=1.0, goal="maximize", **more):
    ideas = tuple(
        PastIdea(number, {"final": Result(seconds, value, value)}, usd=0.5)
        for number, value in enumerate(values, 1)
    )
    return History(metric="m", goal=goal, last="final", ideas=ideas, **more)


def scenario(history, **more):
    return Scenario(**{"history": history, "ideas": len(history.ideas), "costs": FREE, **more})


def test_a_replay_keeps_what_is_better_than_all_before():
    found = simulate(scenario(past([1, 3, None, 2, 5], start=2.0)), [1, 2])
    assert [best.number for best in found.outcomes[0].best] == [2, 5]
    assert [best.seconds for best in found.outcomes[0].best] == [2, 5]
    assert found.alone.trace.seconds == 5
    assert found.alone.usd == 2.5
    assert best_at(found.alone, 4.9).number == 2
    assert best_at(found.alone, 1.9) is None
    down = simulate(scenario(past([4, 3, None, 5, 1], goal="minimize")), [1])
    assert [best.number for best in down.outcomes[0].best] == [1, 2, 5]


@given(
    st.lists(st.one_of(st.none(), st.floats(-5, 5)), min_size=1, max_size=40),
    st.integers(1, 12),
    st.one_of(
        st.builds(lambda of, k: TopK(min(k, of), of), st.integers(1, 9), st.integers(1, 9)),
        st.builds(TopK, st.integers(1, 9)),
        st.just(Quantile(1.0)),
        st.builds(Threshold, st.floats(-3, 3)),
        st.just(Decided()),
    ),
    st.sampled_from(["maximize", "minimize"]),
)
def test_every_idea_gets_through_a_tier_or_is_dropped(values, slots, rule, goal):
    screens = (Screen("proxy", rule, rho=0.7, cost=0.25), Screen("mid", Quantile(1.0), rho=0.9, seconds=0.5))
    found = simulate(scenario(past(values, goal=goal), screens=screens), [slots]).outcomes[0]
    crashed = values.count(None)
    trials = {"mid": 0, "final": 0, **found.trace.trials}
    assert found.ideas == trials["proxy"] == len(values)
    assert trials["mid"] == trials["final"] <= len(values) - crashed
    assert found.trace.busy["proxy"] == pytest.approx(0.25 * len(values))
    assert found.trace.busy.get("final", 0) == pytest.approx(trials["final"])
    if isinstance(rule, TopK) and rule.of is None:
        assert trials["final"] == min(rule.k, len(values) - crashed)


def test_a_perfect_proxy_promotes_the_best_and_a_contrary_one_the_worst():
    values = [float(number) for number in range(40)]
    for rho, wanted in ((1.0, [39.0]), (-1.0, [0.0, 1.0, 2.0, 3.0])):
        screens = (Screen("proxy", TopK(4), rho=rho, cost=0.1),)
        found = simulate(scenario(past(values), screens=screens), [4]).outcomes[0]
        assert found.trace.trials["final"] == 4
        assert found.best[-1].quality == wanted[-1]


def test_made_up_proxies_have_the_stated_rank_correlation():
    from lab_plugin.promotion import agreement
    from lab_plugin.simulation._screening import Screening, spread_of

    history = Synthetic(seconds=1, noise=0).history(3000, 3)
    values = [idea.results["final"].value for idea in history.ideas]
    for rho in (-0.5, 0.0, 0.3, 0.8):
        screening = Screening([Screen("p", Decided(), rho=rho, cost=1)], spread_of(values), seed=1)
        results = (idea.results["final"] for idea in history.ideas)
        shown = [screening.result(number, "p", last).value for number, last in enumerate(results)]
        assert agreement(zip(shown, values, strict=True), ("maximize", "maximize")).rho == pytest.approx(
            rho, abs=0.06
        )


def test_screening_saves_most_of_the_candidates_time():
    history = Synthetic(seconds=60).history(400, 0)
    plain = simulate(scenario(history), [1]).alone
    screens = (Screen("proxy", Quantile(0.25), rho=0.9, cost=0.05),)
    tiered = simulate(scenario(history, screens=screens), [1]).alone
    assert tiered.trace.seconds < 0.45 * plain.trace.seconds
    assert tiered.best[-1].quality >= plain.best[-1].quality - 0.3


def test_sixty_four_slots_are_sixty_times_one_and_the_api_limits_a_thousand():
    history = Synthetic(seconds=60).history(5000, 0)
    costs = Costs(serial=0.26, parallel=0.07)
    found = simulate(scenario(history, costs=costs), [64, 1000])
    few, many = found.outcomes
    assert found.speed(few) >= 60
    assert few.trace.served / few.trace.seconds < 0.5
    assert many.trace.seconds >= 5000 * costs.serial
    assert many.trace.served / many.trace.seconds > 0.9
    told = document(scenario(history, costs=costs), found)
    assert told["saturates_at"] == pytest.approx(60.3 / 0.26, rel=0.05)
    shares = [run[f"{part}_share"] for run in told["runs"] for part in ("candidate", "orchestration", "idle")]
    assert sum(shares[:3]) == pytest.approx(1)
    assert sum(shares[3:]) == pytest.approx(1)


def test_ideas_are_gone_through_again_and_that_is_said():
    history = past([1, 2, 3])
    asked = scenario(history, ideas=7)
    found = simulate(asked, [1])
    assert found.alone.ideas == 7
    assert any("again and again" in note for note in document(asked, found)["notes"])


@pytest.mark.parametrize("name", ["random", "tpe"])
def test_a_real_proposer_searches_a_made_up_lab(name):
    world = Synthetic(seconds=10, crashes=0.1)
    asked = scenario(world.history(50, 0), ideas=25, strategy=name, synthetic=world)
    first, second = (simulate(asked, [1, 4]) for _ in range(2))
    assert first == second
    assert first.alone.ideas == 25
    # Outcomes in flight are not known yet: four slots do not make what one makes.
    if name == "tpe":
        assert first.alone.best != first.outcomes[1].best


def test_tpe_finds_better_than_random_in_a_made_up_lab():
    world = Synthetic(seconds=10, noise=0)
    best = {}
    for name in ("random", "tpe"):
        asked = scenario(world.history(50, 0), ideas=80, strategy=name, synthetic=world)
        best[name] = simulate(asked, [1]).alone.best[-1].quality
    assert best["tpe"] > best["random"]


def test_a_model_of_the_ledger_is_said_to_be_one():
    history = Synthetic(seconds=5, noise=0.05).history(60, 1)
    asked = scenario(history, ideas=20, strategy="random", parameters=SPACE)
    found = simulate(asked, [2])
    assert found.modelled == 60
    assert found.model.low > 0.5
    best = max(idea.results["final"].value for idea in history.ideas)
    assert found.outcomes[0].best[-1].quality <= best
    text = " ".join(document(asked, found)["notes"])
    assert "a model's answer, not the lab's" in text
    assert "60 scored points" in text


def test_a_model_that_foretells_nothing_is_named():
    points = [
        PastPoint({"x0": n / 40}, Result(1, value, value))
        for n, value in enumerate([math.sin(n * n * 7.3) for n in range(40)])
    ]
    history = past([0.1, 0.2], points=tuple(points))
    space = {"x0": FloatParameter(type="float", low=0.0, high=1.0)}
    asked = scenario(history, ideas=5, strategy="random", parameters=space)
    text = " ".join(document(asked, simulate(asked, [1]))["notes"])
    assert "too little to compare strategies" in text


def test_crashes_are_foretold_where_there_were_crashes():
    points = [
        PastPoint({"x0": n / 100}, Result(1, None if n >= 50 else 1.0, None if n >= 50 else 1.0))
        for n in range(100)
    ]
    history = past([0.5], points=tuple(points))
    space = {"x0": FloatParameter(type="float", low=0.0, high=1.0)}
    import random

    from lab_plugin.simulation._surrogate import Surrogate

    model = Surrogate(history.points, space)
    assert model.draw({"x0": 0.9}, random.Random(1)).value is None
    assert model.draw({"x0": 0.1}, random.Random(1)).value == 1.0


@pytest.mark.parametrize(
    ("more", "slots", "error", "said"),
    [
        ({}, [0], ConfigError, "1 slot or more"),
        ({}, [], ConfigError, "1 slot or more"),
        ({"ideas": 0}, [1], ConfigError, "1 idea or more"),
        ({"ideas": 1_000_001}, [1], ConfigError, "at most 1,000,000"),
        ({"screens": (Screen("final", Decided(), 0.5, cost=0.1),)}, [1], ConfigError, "the last tier"),
        (
            {"screens": (Screen("p", Quantile(0.1), 0.5, cost=0.1),)},
            [1],
            ConfigError,
            "nothing would ever go on",
        ),
        ({"strategy": "tpe"}, [1], ConfigError, "no search space"),
        ({"strategy": "tpe", "parameters": SPACE}, [1], LabError, "3 scored points"),
        ({"strategy": "tpee", "synthetic": Synthetic(seconds=1)}, [1], ProposerError, "tpe"),
        ({"strategy": "command", "synthetic": Synthetic(seconds=1)}, [1], ConfigError, "it makes edits"),
    ],
)
def test_what_cannot_be_simulated_is_refused_with_the_reason(more, slots, error, said):
    points = tuple(PastPoint(dict.fromkeys(SPACE, 0.5), Result(1, 1.0, 1.0)) for _ in range(3))
    with pytest.raises(error, match=said):
        simulate(scenario(past([1.0, 2.0, 3.0], points=points), **more), slots)


def test_a_space_that_is_exhausted_ends_the_campaign():
    from lab_plugin.config import CategoricalParameter

    space = {"c": CategoricalParameter(type="categorical", choices=("a", "b", "d"))}
    points = tuple(PastPoint({"c": "abd"[n % 3]}, Result(1, float(n % 3), float(n % 3))) for n in range(12))
    asked = scenario(past([1.0], points=points), ideas=9, strategy="random", parameters=space)
    found = simulate(asked, [2]).outcomes[0]
    assert found.ideas == 3
    assert found.best[-1].quality == 2.0


def test_costs_come_from_the_ledger_unless_they_are_given():
    history = past([1.0], orchestration=0.5)
    assert sum(vars(costs_of(history, None)).values()) == pytest.approx(0.5)
    assert sum(vars(costs_of(history, 0.1)).values()) == pytest.approx(0.1)
    assert sum(vars(costs_of(past([1.0]), None)).values()) == pytest.approx(0.33)
    for wrong in (math.nan, math.inf, -0.1):
        with pytest.raises(ConfigError, match="--overhead-ms"):
            costs_of(history, wrong)


@settings(max_examples=20)
@given(st.integers(1, 30), st.integers(1, 5), st.integers(0, 3))
def test_it_is_reproducible(ideas, slots, seed):
    history = Synthetic(seconds=3, crashes=0.2).history(ideas, seed)
    screens = (Screen("proxy", TopK(1, 2), rho=0.5, cost=0.1),)
    asked = scenario(history, screens=screens, seed=seed)
    assert simulate(asked, [slots]) == simulate(asked, [slots])
