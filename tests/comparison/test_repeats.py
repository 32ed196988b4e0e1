"""What goes wrong in the middle of a comparison, and what a decision asks beside the metric."""

from collections.abc import Callable

import pytest

from lab_plugin.ledger import VerdictRecord
from tests.campaign.conftest import lock
from tests.comparison.conftest import Run
from tests.comparison.toy import Toy, idea

NOISY = "noise = 1.0\ncalibrate = 1\ntries = 10\nmax_repeats = 6\n"
GUARD = "[decision.guards]\ncost = { may_rise = 5.0 }"


def seeds(record: VerdictRecord) -> tuple[int, ...]:
    assert record.comparison is not None
    return record.comparison.seeds


async def test_candidates_that_fail_later_and_guards(make_toy: Callable[..., Toy], run: Run) -> None:
    toy = make_toy(spread=1.0, cost=0.5, decision=NOISY.replace("calibrate = 1", "calibrate = 8") + GUARD)
    toy.plan(
        idea("unlucky", 5.0, "crash=1"),
        idea("poor", 5.0, "poor"),
        idea("dear", 5.0, "cost=20"),
        idea("good", 5.0, "cost=1"),
    )
    await lock(toy.folder)
    unlucky, poor, dear, good = await run(toy, 4)
    assert (unlucky.verdict, unlucky.value, unlucky.comparison) == ("crashed", None, None)
    assert unlucky.reason.startswith("repeat 2, seed 1: ") and "no luck with seed 1" in unlucky.reason
    assert (poor.verdict, poor.value, poor.comparison) == ("rejected", None, None)
    assert "lacks the metric 'cost'" in poor.reason
    assert dear.verdict == "reverted" and "guard 'cost' (may rise by 5) is broken" in dear.reason
    assert good.verdict == "kept" and good.comparison is not None
    assert set(good.comparison.candidate) == set(good.comparison.noise) == {"value", "cost"}
    # The place of an idea that was never compared is the next one's.
    assert dear.comparison is not None and (dear.comparison.place, good.comparison.place) == (1, 2)


async def test_champions_that_fail(make_toy: Callable[..., Toy], run: Run) -> None:
    toy = make_toy(spread=1.0, trait="crash=2", decision=NOISY.replace("max_repeats = 6", "max_repeats = 3"))
    toy.plan(idea("close", 1.2))
    await lock(toy.folder)
    records = await run(toy, 1)
    assert records[0].verdict == "inconclusive" and seeds(records[0]) == (0, 1, 3)
    # With more repeats it goes on behind all seeds, and draws none twice.
    records = await run(toy, 1, rerun={1: 5})
    assert records[1].continues == 1 and seeds(records[1])[:4] == (0, 1, 3, 4)
    assert toy.runs("close") == [0, 1, 2, 3, *seeds(records[1])[3:]]
    assert records[1].comparison is not None and records[1].comparison.place == 0


async def test_a_champion_that_fails_three_times(make_toy: Callable[..., Toy], run: Run) -> None:
    toy = make_toy(spread=1.0, trait="crash=1,2,3", decision=NOISY)
    toy.plan(idea("better", 5.0), idea("worse", -5.0), idea("better", 5.0))
    await lock(toy.folder)
    better, worse, again = await run(toy, 3)
    assert (better.verdict, better.comparison) == ("inconclusive", None)
    assert better.reason.startswith("the champion has no score on seed 3: ")
    assert better.value == pytest.approx(toy.value("better", 5.0, 0))
    assert worse.verdict == "reverted" and seeds(worse) == (0,)
    assert again.verdict == "inconclusive" and toy.runs("better").count(0) == 1


async def test_noise_that_the_calibration_did_not_see(make_toy: Callable[..., Toy], run: Run) -> None:
    late = "from=1 to=1000"
    toy = make_toy(spread=1.0, trait=late, decision="calibrate = 3\ntries = 2\nmax_repeats = 10")
    toy.plan(idea("worse", -1.0, late), idea("better", 4.0, late), idea("none", 4.0, late))
    await lock(toy.folder)
    worse, better, none = await run(toy, 3)
    assert worse.verdict == "reverted" and seeds(worse) == (0,) and worse.reason.startswith("worse: ")
    assert better.verdict == "kept" and len(seeds(better)) >= 6, "signs alone"
    assert "taken for deterministic and is not: value" in better.reason
    assert better.comparison is not None and better.comparison.noise["value"].sd == 0
    assert better.comparison.found["value"].origin == "found" and better.comparison.found["value"].sd > 0
    assert none.verdict != "kept" and none.comparison is not None
    assert none.comparison.noise["value"].origin == "found" and none.comparison.found == {}


POLICIES = {
    "greedy": ("repeats = 3", "higher (greedy, no control of error)", "not higher (greedy, no control"),
    "threshold": ("repeats = 3\nbar = 11.5", "reaches the bar of 11.5", "does not reach the bar of 11.5"),
    "exact": ("", "better: ", "worse: "),
}


@pytest.mark.parametrize("policy", POLICIES)
async def test_policies_without_a_test(policy: str, make_toy: Callable[..., Toy], run: Run) -> None:
    lines, kept, reverted = POLICIES[policy]
    toy = make_toy(spread=0.1, decision=f'policy = "{policy}"\ncalibrate = 1\n{lines}')
    toy.plan(idea("worse", -1.0), idea("better", 2.0))
    await lock(toy.folder)
    worse, better = await run(toy, 2)
    assert (worse.verdict, better.verdict) == ("reverted", "kept")
    assert reverted in worse.reason and kept in better.reason
    expected = (0,) if policy == "exact" else (0, 1, 2)
    assert seeds(worse) == seeds(better) == expected
    assert better.comparison is not None
    assert (better.comparison.controlled, better.comparison.error_spent) == (False, 0)


async def test_margins_and_simplicity(make_toy: Callable[..., Toy], run: Run) -> None:
    simplicity = '[decision.simplicity]\nmargin = 0.5\nby = ["lines"]'
    toy = make_toy(goal="minimize", edits=True, decision=f'min_improvement = "10%"\n{simplicity}')
    text = toy.candidate

    def point(gain: float) -> str:
        return f'{{\n  "gain": {gain},\n  "name": "base",\n  "trait": ""\n}}\n'

    shorter = text.replace("import _random, json, math, os, pathlib, sys, time, zlib\nworld", "world")
    toy.plan(
        {"title": "little", "files": {"point.json": point(-0.9)}},
        {"title": "enough", "files": {"point.json": point(-1.1)}},
        {"title": "longer", "files": {"candidate.py": text + "# A word.\n"}},
        {
            "title": "shorter",
            "files": {"candidate.py": text.replace('if "poor" in words:\n    del card["cost"]\n', "")},
        },
        {"title": "broken", "files": {"candidate.py": shorter}},
    )
    await lock(toy.folder)
    little, enough, longer, simple, broken = await run(toy, 5)
    assert little.verdict == "reverted" and little.reason.startswith("better by less than 1: ")
    assert enough.verdict == "kept" and seeds(enough) == (0, 1)
    assert longer.verdict == "reverted" and longer.reason.startswith("equal: ")
    assert simple.verdict == "kept" and "as good and simpler (2 lines fewer)" in simple.reason
    assert simple.comparison is not None and simple.comparison.risked == 0
    assert broken.verdict == "crashed"


async def test_several_objectives(make_toy: Callable[..., Toy], run: Run) -> None:
    decision = "[decision.objectives]\ncost = { goal = 'minimize', tolerance = 1.0 }"
    toy = make_toy(decision=decision)
    toy.plan(idea("dearer", 5.0, "cost=9"), idea("cheaper", 0.0, "cost=-3"), idea("worse", -1.0, "cost=1"))
    await lock(toy.folder)
    dearer, cheaper, worse = await run(toy, 3)
    assert (dearer.verdict, "worse in cost" in dearer.reason) == ("reverted", True)
    assert (cheaper.verdict, "better in cost" in cheaper.reason) == ("kept", True)
    assert worse.verdict == "reverted"
    assert cheaper.comparison is not None
    assert cheaper.comparison.candidate["cost"][0] == cheaper.comparison.against["cost"][0] - 3
