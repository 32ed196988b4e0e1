"""Points out of whatever a candidate prints."""

import json
import math
import tracemalloc
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab_plugin.pruning import LARGEST_STEP, MOST_POINTS, Curve, CurveReader, decode, encode

finite = st.floats(allow_nan=False, allow_infinity=False)
steps = st.lists(st.integers(0, LARGEST_STEP), unique=True, max_size=60).map(sorted)
lines = st.one_of(
    st.binary(max_size=60),
    st.builds(
        lambda parts, gap: b"LAB_CURVE" + gap + gap.join(parts),
        st.lists(
            st.one_of(
                st.binary(max_size=9), st.sampled_from([b"1", b"2", b".5", b"nan", b"1e999", b"9" * 30])
            ),
            max_size=4,
        ),
        st.sampled_from([b" ", b"\t", b""]),
    ),
)


def read(data: bytes, cuts: list[int] | None = None) -> tuple[list[tuple[int, float]], Curve]:
    reader = CurveReader()
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts or []), len(data)]
    found = [
        (point.step, point.value) for start, end in pairwise(edges) for point in reader.feed(data[start:end])
    ]
    return found, reader.curve()


@given(steps=steps, values=st.lists(finite, min_size=60, max_size=60), cuts=st.lists(st.integers(0, 9_999)))
def test_what_is_printed_is_read_wherever_it_is_cut(
    steps: list[int], values: list[float], cuts: list[int]
) -> None:
    points = list(zip(steps, values, strict=False))
    data = b"".join(f"noise\nLAB_CURVE {step} {value}\n".encode() for step, value in points)
    found, curve = read(data, cuts)
    assert found == points
    assert curve == Curve(tuple(points))


@given(st.lists(lines, max_size=30), st.lists(st.integers(0, 9_999), max_size=20))
def test_nothing_that_is_printed_breaks_it(said: list[bytes], cuts: list[int]) -> None:
    data = b"\n".join(said)
    found, curve = read(data, cuts)
    # As text, for NaN is not equal to itself.
    assert repr((found, curve)) == repr(read(data))
    assert all(later > earlier for (earlier, _), (later, _) in pairwise(found))
    assert curve.points == tuple(point for point in found if math.isfinite(point[1]))
    assert curve.not_finite == len(found) - len(curve.points)
    assert decode(encode({0: curve})) == {0: curve}


def test_what_is_no_point_is_counted() -> None:
    wrong = ["", " ", " 1", " 1 2 3", " -1 2", " 1.0 2", " 1 2_0", " 1 0x1", " 9007199254740993 1", " x 1"]
    data = "".join(f"LAB_CURVE{text}\n" for text in wrong) + "LAB_CURVES 1 1\n LAB_CURVE 1 1\nLAB_CURVE 1 1"
    assert read(data.encode())[1] == Curve(malformed=len(wrong))
    data = "LAB_CURVE 1 1\r\nLAB_CURVE 1 2\nLAB_CURVE 0 2\nLAB_CURVE 2 -Inf\nLAB_CURVE 3 .5e1\n"
    assert read(data.encode())[1] == Curve(((1, 1.0), (3, 5.0)), out_of_order=2, not_finite=1)
    assert read(data.encode())[1].left_out() == "points left out: 2 out of order, 1 not finite"


def test_a_line_without_an_end_costs_no_memory() -> None:
    reader = CurveReader()
    tracemalloc.start()
    for _ in range(300):
        assert list(reader.feed(b"LAB_CURVE 1 " + b"1" * 100_000)) == []
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()
    assert list(reader.feed(b"\nLAB_CURVE 2 1\n"))[0].step == 2
    assert reader.curve().malformed == 1


def test_a_long_curve_is_thinned_evenly_and_keeps_its_end() -> None:
    reader = CurveReader()
    asked = [
        point.step
        for step in range(100_000)
        for point in reader.feed(b"LAB_CURVE %d %d\n" % (step, step))
        if point.kept
    ]
    curve = reader.curve()
    kept = [step for step, _ in curve.points]
    assert MOST_POINTS / 2 <= len(kept) <= MOST_POINTS
    assert (kept[0], kept[-1]) == (0, 99_999)
    assert {later - earlier for earlier, later in pairwise(kept[:-1])} == {256}
    assert curve.thinned == 100_000 - len(kept)
    # What is kept in the end was judged when it came, and not much more than that.
    assert set(kept[:-1]) <= set(asked) and len(asked) < 10 * MOST_POINTS
    assert decode(encode({3: curve})) == {3: curve}


@given(
    steps=st.lists(st.integers(0, LARGEST_STEP), unique=True, max_size=200).map(sorted),
    most=st.integers(2, 40),
)
def test_thinning_keeps_points_of_the_curve_and_its_ends(steps: list[int], most: int) -> None:
    curve = Curve(tuple((step, 1.0) for step in steps), malformed=3)
    thin = curve.thin(most)
    assert len(thin.points) <= most
    assert set(thin.points) <= set(curve.points)
    assert thin.points[:1] == curve.points[:1] and thin.points[-1:] == curve.points[-1:]
    assert thin.thinned == len(curve.points) - len(thin.points) and thin.malformed == 3
    assert thin.thin(most) == thin


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats(), st.text(max_size=3)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(st.sampled_from(["0", "points", "malformed", "thinned"]), inner, max_size=4),
        ),
    )
)
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
def test_stored_curves_that_are_none_are_told(document: object) -> None:
    try:
        curves = decode(json.dumps(document).encode())
    except ValueError:
        return
    assert all(isinstance(curve, Curve) for curve in curves.values())
