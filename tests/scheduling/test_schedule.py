"""Who is next: any number of slots, any speed, any owner."""

import random
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab_plugin.promotion import Quantile, Rule, Threshold, TopK
from lab_plugin.scheduling import Line, Schedule, Stage

Log = list[tuple[int, str]]


def stages(*rules: Rule) -> list[Stage]:
    return [*(Stage(f"tier{at}", rule) for at, rule in enumerate(rules)), Stage("final")]


def value(number: int, tier: str) -> float:
    return random.Random(f"{number} {tier}").random()


def play(
    schedule: Schedule, ideas: int, slots: int, speed: random.Random, window: int | None = None
) -> tuple[Log, Log]:
    """Run ideas in virtual time; returns the visits in the order of their start, and of what counted."""
    begun: Log = []
    counted: Log = []
    running: dict[int, float] = {}
    made, clock = 0, 0.0

    def make() -> None:
        nonlocal made
        while made < ideas and (window is None or schedule.room):
            made += 1
            schedule.offer(made)
            if window is None:
                return

    make()
    while True:
        while len(running) < slots:
            visit = schedule.take()
            if visit is None and window is None and made < ideas:
                make()
                visit = schedule.take()
            if visit is None:
                break
            assert visit.number not in running
            assert schedule.tier_of(visit.number) == visit.tier
            begun.append((visit.number, visit.tier))
            running[visit.number] = clock + speed.random()
        ready = [number for number in running if schedule.may_count(number)]
        if not ready:
            assert not running, "a slot waits for one that never comes"
            if not schedule.waiting():
                return begun, counted
            schedule.finish()
            drop(schedule, counted)
            make()
            continue
        number = min(ready, key=running.__getitem__)
        clock = max(clock, running[number])
        tier = schedule.tier_of(number)
        counted.append((number, tier))
        if schedule.screens(number):
            if schedule.result(number, value(number, tier)):
                assert window is None
                begun.append((number, schedule.tier_of(number)))
                running[number] = clock + speed.random()
            else:
                del running[number]
            drop(schedule, counted)
        else:
            del running[number]
            schedule.decided(number, "reverted")
        make()


def drop(schedule: Schedule, counted: Log) -> None:
    for number, standing in schedule.dropped():
        assert standing
        counted.append((number, "dropped"))
        schedule.decided(number, "reverted")


RULES = st.lists(
    st.one_of(
        st.builds(Quantile, st.floats(0.2, 1.0)),
        st.builds(TopK, st.integers(1, 3), st.none() | st.integers(3, 6)),
        st.builds(Threshold, st.floats(0.0, 1.0)),
    ),
    max_size=2,
)


@settings(deadline=None, max_examples=150)
@given(RULES, st.integers(1, 30), st.integers(1, 6), st.integers(0, 2**32))
def test_every_idea_comes_to_its_end_once(rules: list[Rule], ideas: int, slots: int, seed: int) -> None:
    schedule = Schedule(stages(*rules))
    begun, counted = play(schedule, ideas, slots, random.Random(seed))
    assert len(set(begun)) == len(begun)
    ends = [number for number, tier in counted if tier in ("final", "dropped")]
    assert sorted(ends) == list(range(1, ideas + 1))
    assert len(schedule) == 0 and not schedule.busy and schedule.in_flight == frozenset()
    # Through each tier before the next.
    names = [stage.name for stage in stages(*rules)]
    for number in range(1, ideas + 1):
        own = [tier for other, tier in begun if other == number]
        assert own == names[: len(own)]


@settings(deadline=None, max_examples=150)
@given(RULES, st.integers(1, 30), st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32))
def test_a_line_makes_the_order_the_same_for_any_slots(
    rules: list[Rule], ideas: int, slots: int, window: int, seed: int
) -> None:
    told = []
    for count in (1, slots):
        line = Line(window)
        speed = random.Random(seed + count)
        told.append(play(Schedule(stages(*rules), line), ideas, count, speed, window)[1])
    assert told[0] == told[1]
    assert sorted(n for n, tier in told[0] if tier in ("final", "dropped")) == list(range(1, ideas + 1))


@settings(deadline=None)
@given(
    st.dictionaries(
        st.integers(1, 8), st.dictionaries(st.integers(1, 10), st.sampled_from(["decided", "kept"]))
    ),
    st.sets(st.integers(1, 8)),
    st.booleans(),
)
def test_nothing_starts_before_what_it_waits_for(
    conditions: Mapping[int, Mapping[int, str]], kept: set[int], fixed: bool
) -> None:
    schedule = Schedule(stages(), Line(3) if fixed else None)
    for number, after in conditions.items():
        schedule.offer(number, after=after)  # type: ignore[arg-type]
    words: dict[int, str] = {}
    while len(schedule):
        for number, reason in schedule.hopeless():
            assert reason
            words[number] = "rejected"
            schedule.decided(number, "rejected")
        visit = schedule.take()
        if visit is None:
            assert schedule.hopeless() or not len(schedule), "it waits for ever"
            continue
        for other, condition in conditions[visit.number].items():
            assert words[other] == "kept" if condition == "kept" else other in words
        assert schedule.may_count(visit.number)
        words[visit.number] = "kept" if visit.number in kept else "reverted"
        schedule.decided(visit.number, words[visit.number])
    assert words.keys() == conditions.keys()


def test_a_circle_and_a_missing_idea_are_named() -> None:
    schedule = Schedule(stages())
    schedule.offer(1, after={2: "decided"})
    schedule.offer(2, after={1: "decided"})
    schedule.offer(3, after={9: "decided"})
    schedule.offer(4, after={5: "kept"})
    schedule.offer(5)
    assert dict(schedule.hopeless()) == {
        1: "it is to run after an idea which waits for this one",
        2: "it is to run after an idea which waits for this one",
        3: "it is to run after an idea which is not there: idea 9",
    }
    schedule.decided(5, "reverted")
    assert dict(schedule.hopeless())[4] == "only if idea 5 is kept, and it was reverted"


def test_the_highest_priority_goes_first_and_who_is_held_does_not_go() -> None:
    schedule = Schedule(stages())
    for number, priority in ((1, 0), (2, 5), (3, 5), (4, 9)):
        schedule.offer(number, priority=priority)
    schedule.change(4, held=True)
    schedule.change(1, priority=7)
    order = [visit.number for visit in iter(schedule.take, None)]
    assert order == [1, 2, 3]
    schedule.change(4, held=False)
    assert schedule.take() == (4, "final")


def test_what_is_nearest_to_its_end_goes_first() -> None:
    schedule = Schedule(stages(Quantile(0.5)))
    for number in (1, 2, 3):
        schedule.offer(number)
    schedule.take()
    assert not schedule.result(1, 1.0)
    schedule.take()
    schedule.offer(4)
    assert not schedule.result(2, 0.5)
    # The first idea is due by the second's result, and goes before the third.
    assert schedule.take() == (1, "final")
    assert schedule.take() == (3, "tier0")


def test_no_new_idea_starts_where_only_those_that_have_may_go_on() -> None:
    schedule = Schedule(stages())
    schedule.offer(1)
    assert schedule.take(fresh=False) is None
    schedule.offer(2, started=True)
    assert schedule.take(fresh=False) == (2, "final")
    schedule.give_back(2)
    assert schedule.in_flight == {2}
    schedule.withdraw(2)
    assert schedule.in_flight == frozenset()


@pytest.mark.parametrize("window", [1, 3])
def test_a_held_idea_does_not_block_the_line(window: int) -> None:
    line = Line(window)
    schedule = Schedule(stages(), line)
    schedule.offer(1, held=True)
    schedule.offer(2)
    assert schedule.take() == (2, "final")
    assert schedule.may_count(2)
    schedule.decided(2, "kept")
    schedule.change(1, held=False)
    assert schedule.take() == (1, "final")
    assert schedule.may_count(1)
