"""A rung that is told what comes, and keeps what it answers."""

from collections.abc import Sequence

from hypothesis import strategies as st

from lab_plugin.promotion import Decided, Goal, Quantile, Rule, Rung, Threshold, TopK

GOALS: tuple[Goal, ...] = ("maximize", "minimize")

rules = st.one_of(
    st.builds(lambda of, k: TopK(min(k, of), of), st.integers(1, 9), st.integers(1, 9)),
    st.builds(TopK, st.integers(1, 9)),
    st.builds(Quantile, st.floats(0.01, 1)),
    st.builds(Threshold, st.floats(-3, 3)),
    st.just(Decided()),
)
values = st.one_of(st.integers(-4, 4).map(float), st.floats(allow_nan=False, allow_infinity=False))


def feed(
    rule: Rule, goal: Goal, results: Sequence[float], start: int = 0
) -> tuple[Rung, list[tuple[int, ...]]]:
    """A rung after these results of ideas 0, 1, 2 and so on, and what it answered to each."""
    rung = Rung(rule, goal)
    return rung, [rung.add(number, value, value > 0) for number, value in enumerate(results, start)]


def flat(answers: Sequence[tuple[int, ...]]) -> list[int]:
    return [number for answer in answers for number in answer]
