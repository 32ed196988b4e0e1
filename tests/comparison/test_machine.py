"""A machine that changes, and metrics that hang on it."""

from collections import Counter
from collections.abc import Callable

import pytest

from lab_plugin.ledger import VerdictRecord
from tests.campaign.conftest import lock
from tests.comparison.conftest import Run
from tests.comparison.toy import Toy, idea


async def test_a_deterministic_champion_that_moved(make_toy: Callable[..., Toy], run: Run) -> None:
    toy = make_toy(decision="drift_every = 2")
    toy.plan(idea("a", -1.0), idea("b", -2.0), idea("c", -1.0), idea("d", 2.0), idea("base"), idea("e", -3.0))
    await lock(toy.folder)

    def then(record: VerdictRecord) -> None:
        if record.title == "b":
            toy.shift(5.0)

    a, b, c, d, base, e = await run(toy, 6, then)
    assert a.drift is None and b.drift is None
    assert c.drift is not None and c.drift.moved and c.drift.by == 5.0
    assert (c.drift.champion, c.drift.seed) == (0, 0)
    assert (c.drift.before["value"], c.drift.after["value"]) == (10.0, 15.0)
    # By the champion's old score this would be better.
    assert (c.verdict, c.value, c.champion_value) == ("reverted", 14.0, 15.0)
    assert (d.verdict, d.value, d.champion_value) == ("kept", 17.0, 15.0)
    assert d.comparison is not None and d.comparison.found == {}
    # What the ledger knows of a tree is of the old machine: it is run again.
    assert base.verdict == "reverted" and base.duplicate_of is None
    assert base.drift is not None and not base.drift.moved and base.drift.champion == d.number
    assert e.drift is None and e.champion_value == 17.0


async def test_a_champion_is_equal_to_itself_whatever_the_machine(
    make_toy: Callable[..., Toy], run: Run
) -> None:
    toy = make_toy(decision="drift_every = 1")
    toy.plan(idea("a", -1.0), idea("base"), idea("b", -2.0))
    await lock(toy.folder)
    toy.shift(-5.0)
    a, base, b = await run(toy, 3)
    assert a.drift is None and a.champion_value == 10.0
    assert base.drift is not None and base.drift.moved
    assert (base.verdict, base.difference) == ("reverted", 0.0) and "equal" in base.reason
    assert (b.verdict, b.value, b.champion_value) == ("reverted", 3.0, 5.0)


async def test_a_noisy_champion_that_moved(make_toy: Callable[..., Toy], run: Run) -> None:
    decision = "noise = 1.0\ncalibrate = 1\ntries = 10\nmax_repeats = 3\ndrift_every = 1"
    toy = make_toy(spread=1.0, decision=decision)
    toy.plan(idea("close", 1.0), *(idea(f"w{number}", -30.0) for number in range(5)), idea("late", 1.0))
    await lock(toy.folder)

    def then(record: VerdictRecord) -> None:
        if record.number == 2:
            toy.shift(3.0)

    records = await run(toy, 7, then)
    looks = [record.drift for record in records]
    assert looks[0] is None and looks[1] is not None and (looks[1].moved, looks[1].by) == (False, 0.0)
    # A score that differs and then repeats is no noise, however much of it there is over seeds.
    moved = [look.champion for look in looks if look is not None and look.moved]
    assert moved == [0] and looks[2] is not None and looks[2].moved and looks[2].by == pytest.approx(3.0)
    assert max(Counter(toy.runs("close")).values()) == 1
    late = records[-1].comparison
    assert late is not None and late.seeds == (0, 1, 2)
    theirs = [toy.value("base", 3.0, seed) for seed in late.seeds]
    assert late.against["value"] == pytest.approx(theirs), "of the machine as it is now"


async def test_a_champion_that_moved_beneath_noise_of_every_run(
    make_toy: Callable[..., Toy], run: Run
) -> None:
    decision = "noise = 1.0\ncalibrate = 1\ntries = 10\nmax_repeats = 12\ndrift_every = 1"
    toy = make_toy(trait="jitter=1", decision=decision)
    worse = [idea(f"w{number}", -30.0) for number in range(8)]
    toy.plan(idea("close", 0.5, trait="jitter=1"), *worse)
    await lock(toy.folder)

    def then(record: VerdictRecord) -> None:
        if record.number == 5:
            toy.shift(12.0)

    looks = [record.drift for record in await run(toy, 9, then)]
    assert [look is not None and look.moved for look in looks[1:5]] == [False] * 4
    # Looks that saw nothing do not hide one that does.
    assert looks[5] is not None and looks[5].moved and looks[5].by == pytest.approx(12, abs=2)
    assert not any(look is not None and look.moved for look in looks[6:])


async def test_what_was_scored_before_the_machine_changed_is_no_answer(
    make_toy: Callable[..., Toy], run: Run
) -> None:
    toy = make_toy(decision="drift_every = 1")
    toy.plan(idea("a", -1.0), idea("b", -2.0), idea("a", -1.0), idea("a", -1.0))
    await lock(toy.folder)

    def then(record: VerdictRecord) -> None:
        if record.number == 1:
            toy.shift(-5.0)

    a, b, again, twin = await run(toy, 4, then)
    assert b.drift is not None and b.drift.moved
    assert (a.value, again.value, again.duplicate_of) == (9.0, 4.0, None)
    assert (again.verdict, again.champion_value) == ("reverted", 5.0)
    assert (twin.value, twin.duplicate_of) == (4.0, 3)


async def test_what_the_host_measures_is_measured_side_by_side(
    make_toy: Callable[..., Toy], run: Run
) -> None:
    decision = "noise = 1000.0\ncalibrate = 1\ntries = 10\nmax_repeats = 2\ndrift_every = 1"
    toy = make_toy(metric="usage.wall_seconds", goal="minimize", decision=decision)
    toy.plan(idea("a"), idea("b"), idea("base"))
    await lock(toy.folder)
    before = len(toy.runs("base"))
    toy.slow_down(0.2)
    a, b, base = await run(toy, 3)
    for record in (a, b):
        assert record.verdict == "inconclusive" and record.drift is None
        assert record.champion_value is not None and record.champion_value > 0.2
    assert toy.runs("a") == toy.runs("b") == [0, 1]
    # Beside each of the two, and once as an idea: what was measured then is no answer now.
    assert toy.runs("base")[before:] == [0, 1, 0, 1, 0]
    assert (base.verdict, base.difference) == ("reverted", 0.0)
