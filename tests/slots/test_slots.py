"""The allocator: never more than there is, nobody forgotten, nothing leaked."""

import asyncio
from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lab_plugin.errors import LabError
from lab_plugin.slots import OVERTAKEN, Capacity, Need, Slots

_CARDS = ("a", "b", "c")


class _Run:
    """A run that holds what it needs until it is told to end."""

    def __init__(self, slots: Slots, need: Need, priority: int, arrival: int) -> None:
        self.need, self.priority, self.arrival = need, priority, arrival
        self.cards: tuple[str, ...] | None = None
        self.passed_by = 0
        self._end = asyncio.Event()
        self._fails = False
        self._slots = slots
        self.task = asyncio.ensure_future(self._go())

    async def _go(self) -> None:
        async with self._slots.taken(self.need, self.priority) as cards:
            self.cards = cards
            await self._end.wait()
            if self._fails:
                raise ValueError("failed")

    @property
    def holds(self) -> bool:
        return self.cards is not None and not self.task.done()

    @property
    def waits(self) -> bool:
        return self.cards is None and not self.task.done()

    def end(self, fails: bool) -> None:
        self._fails = fails
        self._end.set()


class SlotsMachine(RuleBasedStateMachine):
    """Runs come, end, fail and are cancelled in any order, also several in one turn of the loop."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.capacity = Capacity(cpus=4.0, cards=_CARDS, jobs_per_gpu=2)
        self.slots = Slots(self.capacity)
        self.runs: list[_Run] = []
        self.count = 0

    def teardown(self) -> None:
        for run in self.runs:
            run.task.cancel()
        self._turn()
        assert self.slots.idle
        self.loop.close()

    @rule(
        tenths=st.integers(0, 40),
        gpus=st.integers(0, 3),
        priority=st.integers(-1, 1),
        turn=st.booleans(),
    )
    def come(self, tenths: int, gpus: int, priority: int, turn: bool) -> None:
        async def make() -> _Run:
            return _Run(self.slots, Need(tenths / 10, gpus), priority, self.count)

        self.count += 1
        self.runs.append(self.loop.run_until_complete(make()))
        if turn:
            self._turn()

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), how=st.sampled_from(["ends", "fails", "cancelled"]), turn=st.booleans())
    def go(self, data: st.DataObject, how: str, turn: bool) -> None:
        run = data.draw(st.sampled_from(self.runs))
        if how == "cancelled":
            run.task.cancel()
        elif run.holds:
            run.end(how == "fails")
        if turn:
            self._turn()

    def _turn(self) -> None:
        waited = [run for run in self.runs if run.waits]

        async def settle() -> None:
            for _ in range(20):
                await asyncio.sleep(0)

        self.loop.run_until_complete(settle())
        for run in self.runs:
            if run.task.done() and not run.task.cancelled():
                run.task.exception()
        for run in waited:
            if run.waits:
                order = (-run.priority, run.arrival)
                late = [r for r in waited if r.holds and (-r.priority, r.arrival) > order]
                run.passed_by += len(late)
                assert run.passed_by <= OVERTAKEN
        self.runs = [run for run in self.runs if not run.task.done()]

    @invariant()
    def never_above_capacity(self) -> None:
        holding = [run for run in self.runs if run.holds]
        assert sum(run.need.cpus for run in holding) <= self.capacity.cpus + 1e-6
        shared = Counter(card for run in holding for card in run.cards or ())
        assert all(count <= self.capacity.jobs_per_gpu for count in shared.values())
        for run in holding:
            assert run.cards is not None and len(set(run.cards)) == run.need.gpus

    @invariant()
    def who_is_first_and_fits_runs(self) -> None:
        self._turn()
        waiting = sorted(
            (run for run in self.runs if run.waits), key=lambda run: (-run.priority, run.arrival)
        )
        if not waiting:
            return
        holding, first = [run for run in self.runs if run.holds], waiting[0].need
        cores = self.capacity.cpus - sum(run.need.cpus for run in holding)
        shared = Counter(card for run in holding for card in run.cards or ())
        free = sum(shared[card] < self.capacity.jobs_per_gpu for card in _CARDS)
        assert first.cpus > cores + 1e-9 or first.gpus > free


SlotsMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
test_slots_machine = SlotsMachine.TestCase


async def test_a_large_one_is_overtaken_so_often_and_no_more() -> None:
    slots = Slots(Capacity(cpus=2.0))
    order: list[str] = []

    async def small(number: int) -> None:
        async with slots.taken(Need(1.0)):
            order.append(f"small {number}")
            await asyncio.sleep(0)

    async def large() -> None:
        async with slots.taken(Need(2.0)):
            order.append("large")

    async def stream() -> None:
        # Two lanes that are never empty at the same time: without a bound, two cores are never free.
        await asyncio.gather(*(small(number) for number in range(60)))

    async with slots.taken(Need(1.0)):
        waiting = [asyncio.ensure_future(large())]
        await asyncio.sleep(0)
        waiting.append(asyncio.ensure_future(stream()))
        for _ in range(1_000):
            await asyncio.sleep(0)
        assert len(order) == OVERTAKEN and "large" not in order
    await asyncio.gather(*waiting)
    assert order[OVERTAKEN] == "large" and len(order) == 61 and slots.idle


async def test_a_higher_priority_is_served_first() -> None:
    slots = Slots(Capacity(cpus=1.0))
    order: list[int] = []

    async def run(priority: int) -> None:
        async with slots.taken(Need(1.0), priority):
            order.append(priority)

    async with slots.taken(Need(1.0)):
        runs = [asyncio.ensure_future(run(priority)) for priority in (0, 5, 1, 5)]
        await asyncio.sleep(0)
        assert slots.waiting == 4
    await asyncio.gather(*runs)
    assert order == [5, 5, 1, 0]


async def test_what_there_is_not_is_refused_and_not_waited_for() -> None:
    slots = Slots(Capacity(cpus=2.0, cards=("a",), jobs_per_gpu=4))
    for need in (Need(2.5), Need(1.0, gpus=2)):
        with pytest.raises(LabError, match=r"there are 2 cores, 1 GPU, 4 jobs on each") as caught:
            async with slots.taken(need):
                raise AssertionError
        assert "[resources]" in caught.value.remedy
    assert slots.idle


async def test_tenths_of_cores_fill_a_core() -> None:
    slots = Slots(Capacity(cpus=1.0))
    done = asyncio.Event()

    async def tenth() -> None:
        async with slots.taken(Need(0.1)):
            await done.wait()

    runs = [asyncio.ensure_future(tenth()) for _ in range(11)]
    await asyncio.sleep(0)
    assert slots.waiting == 1
    done.set()
    await asyncio.gather(*runs)
