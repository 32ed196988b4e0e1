import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_plugin.simulation import Costs, Trial, run

seconds = st.one_of(st.just(0.0), st.floats(0.001, 100))


class Queue:
    """Work without conditions, which looks at what the engine does with it."""

    def __init__(self, durations, slots):
        self.waiting = [Trial(number, "final", each) for number, each in enumerate(durations)]
        self.slots = slots
        self.running, self.ended, self.now, self.most = set(), [], 0.0, 0

    def take(self):
        if not self.waiting:
            return None
        trial = self.waiting.pop(0)
        self.running.add(trial.number)
        self.most = max(self.most, len(self.running))
        return trial

    def over(self, trial, now):
        assert now >= self.now
        self.now = now
        self.running.remove(trial.number)
        self.ended.append(trial.number)

    def settle(self):
        assert not self.running
        return False


@given(
    st.lists(seconds, max_size=40),
    st.integers(1, 50),
    st.sampled_from([0.0, 0.1, 3.0]),
    st.sampled_from([0.0, 0.2]),
)
def test_work_is_conserved_and_slots_are_never_more(durations, slots, serial, parallel):
    work = Queue(durations, slots)
    trace = run(work, slots, Costs(serial, parallel))
    assert sorted(work.ended) == list(range(len(durations)))
    assert work.most <= slots
    assert trace.trials.get("final", 0) == len(durations)
    assert trace.busy.get("final", 0) == pytest.approx(sum(durations))
    assert trace.served == pytest.approx(serial * len(durations))
    assert trace.seconds == work.now
    total = sum(durations) + (serial + parallel) * len(durations)
    longest = max(durations, default=-parallel - serial) + serial + parallel
    assert trace.seconds >= max(total / slots, serial * len(durations), longest) - 1e-6
    assert total - 1e-6 <= trace.occupied <= slots * trace.seconds + 1e-6
    # Greedy: nobody is idle while there is work (Graham's bound, with the API as one more machine).
    assert trace.seconds <= total / slots + longest + serial * len(durations) + 1e-6


@given(st.integers(0, 60), st.integers(1, 20), st.sampled_from([0.0, 0.5]))
def test_equal_trials_come_in_rounds(count, slots, parallel):
    trace = run(Queue([2.0] * count, slots), slots, Costs(0, parallel))
    assert trace.seconds == pytest.approx(math.ceil(count / slots) * (2 + parallel))


@given(st.lists(seconds, max_size=20), st.sampled_from([0.0, 0.3]), st.sampled_from([0.0, 0.4]))
def test_one_slot_does_one_thing_after_the_other(durations, serial, parallel):
    work = Queue(durations, 1)
    trace = run(work, 1, Costs(serial, parallel))
    assert work.ended == list(range(len(durations)))
    assert trace.seconds == pytest.approx(sum(durations) + (serial + parallel) * len(durations))


@given(st.integers(1, 200))
def test_the_api_limits_when_slots_are_without_end(count):
    trace = run(Queue([1.0] * count, count), count, Costs(serial=2.0))
    # All ask at once; the first halves take so long that every trial is over when the last begins.
    assert trace.seconds == pytest.approx(max(2.0 * count, count + 2.0))


@given(st.lists(seconds, max_size=30), st.integers(1, 8))
def test_the_same_work_gives_the_same_trace(durations, slots):
    first, second = Queue(durations, slots), Queue(durations, slots)
    assert run(first, slots, Costs(0.1, 0.1)) == run(second, slots, Costs(0.1, 0.1))
    assert first.ended == second.ended


def test_a_slot_goes_on_with_what_follows_at_once():
    class Stairs(Queue):
        def over(self, trial, now):
            super().over(trial, now)
            if trial.tier == "final":
                further = Trial(trial.number, "more", 1.0)
                self.running.add(trial.number)
                return further

    work = Stairs([1.0, 1.0, 1.0], 1)
    trace = run(work, 1, Costs())
    assert work.ended == [0, 0, 1, 1, 2, 2]
    assert trace.trials == {"final": 3, "more": 3}


def test_work_that_becomes_ready_at_the_end_is_done():
    class Late(Queue):
        def settle(self):
            if len(self.ended) > 2:
                return False
            self.waiting.append(Trial(10 + len(self.ended), "final", 5.0))
            return True

    work = Late([1.0], 2)
    assert run(work, 2, Costs()).seconds == 11
    assert work.ended == [0, 11, 12]
