from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_plugin.budget import Budget, Spent, exhausted


@pytest.mark.parametrize(
    ("budget", "spent", "word"),
    [
        (Budget(iterations=5), Spent(iterations=5), "iterations"),
        (Budget(iterations=0), Spent(), "iterations"),
        (Budget(hours=1), Spent(seconds=3600), "hours"),
        (Budget(cost_usd=2), Spent(usd=2.0), "dollars"),
        (Budget(plateau=3), Spent(since_keep=3), "plateau"),
        (Budget(), Spent(crashes=10), "crashes"),
    ],
)
def test_each_bound_stops(budget: Budget, spent: Spent, word: str) -> None:
    reason = exhausted(budget, spent, 0.0, "maximize")
    assert reason is not None
    assert word in reason


def test_nothing_spent_stops_nothing() -> None:
    budget = Budget(iterations=1, hours=1, cost_usd=1, plateau=1, crashes=1, target=1.0)
    assert exhausted(budget, Spent(), 0.5, "maximize") is None


@pytest.mark.parametrize(("goal", "champion", "over"), [("maximize", 0.9, True), ("minimize", 0.9, False)])
def test_the_target_has_a_direction(
    goal: Literal["maximize", "minimize"], champion: float, over: bool
) -> None:
    assert (exhausted(Budget(target=0.8), Spent(), champion, goal) is not None) == over


@given(total=st.integers(0, 50), done=st.integers(0, 50), slots=st.integers(1, 8))
def test_parallel_slots_never_overrun(total: int, done: int, slots: int) -> None:
    budget, started = Budget(iterations=total), 0
    for _ in range(slots):
        if exhausted(budget, Spent(iterations=done), 0.0, "maximize", started) is None:
            started += 1
    assert done + started <= max(total, done)


@given(
    st.builds(
        Budget,
        iterations=st.none() | st.integers(0, 10**6),
        hours=st.none() | st.floats(0, 1e6),
        cost_usd=st.none() | st.floats(0, 1e6),
        target=st.none() | st.floats(allow_nan=False, allow_infinity=False),
        plateau=st.none() | st.integers(1, 10**6),
        crashes=st.none() | st.integers(1, 10**6),
    )
)
def test_a_budget_survives_the_ledger(budget: Budget) -> None:
    assert Budget.from_record(budget.to_record()) == budget
