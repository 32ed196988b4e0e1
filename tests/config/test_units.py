from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_plugin.config import parse_duration, parse_size

UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1, "ms": Fraction(1, 1_000)}
SIZES = {
    "B": 1,
    "KB": 1_000,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("90s", 90),
        ("2m", 120),
        ("1h30m", 5_400),
        ("1h 30m", 5_400),
        (90, 90),
        (1.5, 1.5),
        ("500ms", 0.5),
        ("1.5h", 5_400),
        ("0s", 0),
    ],
)
def test_reads_durations(value: object, seconds: float) -> None:
    assert parse_duration(value) == seconds


@pytest.mark.parametrize(
    "value",
    [
        "",
        "s",
        "90",
        "-1s",
        "1 hour",
        "30m1h",
        "1m1m",
        "1e3s",
        "1.s",
        "\u0661s",
        "1s\n",
        " 1s",
        True,
        None,
        [1],
        float("nan"),
        float("inf"),
        -1,
        "9" * 5_000 + "s",
    ],
    ids=lambda value: str(value)[:12],
)
def test_refuses_what_is_no_duration(value: object) -> None:
    with pytest.raises(ValueError, match="duration|units"):
        parse_duration(value)


@given(st.dictionaries(st.sampled_from(sorted(UNITS)), st.integers(0, 10**6), min_size=1))
def test_a_duration_is_the_sum_of_its_parts(parts: dict[str, int]) -> None:
    text = "".join(f"{parts[unit]}{unit}" for unit in UNITS if unit in parts)
    assert parse_duration(text) == float(
        sum(Fraction(UNITS[unit]) * amount for unit, amount in parts.items())
    )


@given(st.floats(0, 1e9))
def test_a_number_of_seconds_stays_what_it_is(seconds: float) -> None:
    assert parse_duration(seconds) == seconds


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ("2GiB", 2 << 30),
        ("512MB", 512 * 10**6),
        ("1.5GiB", 3 << 29),
        (4096, 4096),
        ("10 mib", 10 << 20),
        ("7B", 7),
        ("0.3KB", 300),
    ],
)
def test_reads_sizes(value: object, size: int) -> None:
    assert parse_size(value) == size


@pytest.mark.parametrize(
    "value",
    ["", "GiB", "12", "-1GiB", "1e3B", "2XB", True, 1.5, None, -1, "1GiB\n", "9" * 5_000 + "B"],
    ids=lambda value: str(value)[:12],
)
def test_refuses_what_is_no_size(value: object) -> None:
    with pytest.raises(ValueError, match="size|unit"):
        parse_size(value)


@pytest.mark.parametrize("text", ["2G", "512m", "1k"])
def test_refuses_a_unit_that_may_mean_two_things(text: str) -> None:
    with pytest.raises(ValueError, match="may mean"):
        parse_size(text)


@given(st.integers(0, 10**12), st.sampled_from(sorted(SIZES)))
def test_a_size_is_its_amount_times_its_unit(amount: int, unit: str) -> None:
    assert parse_size(f"{amount}{unit}") == amount * SIZES[unit] == parse_size(f"{amount} {unit.upper()}")
