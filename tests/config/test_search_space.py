from __future__ import annotations

import warnings
from collections.abc import Callable

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from lab_plugin.config import FloatParameter, IntParameter

Fault = Callable[[str, str], str]
HIDDEN = 'hidden = { type = "int", low = 16, high = 256, log = true }'


@pytest.mark.parametrize(
    ("range_", "words"),
    [
        ('{ type = "int", low = 2, high = 1 }', "low (2) is above high (1)"),
        ('{ type = "int", low = 0, high = 9, log = true }', "1 or more"),
        ('{ type = "int", low = 1, high = 9, log = true, step = 2 }', "exclude each other"),
        ('{ type = "int", low = 0, high = 10, step = 3 }', "lower high to 9"),
        ('{ type = "int", low = 0, high = 10, step = 0 }', "above 0"),
        ('{ type = "int", low = 1.0, high = 9 }', "must be a whole number, not 1.0"),
        ('{ type = "int", low = 0, high = 9007199254740993 }', "2^53"),
        ('{ type = "int", low = 0 }', "'high' is missing in [search_space.hidden]"),
        ('{ type = "float", low = 0.0, high = 1.0, log = true }', "above 0"),
        ('{ type = "float", low = 0.1, high = 1.0, log = true, step = 0.1 }', "exclude each other"),
        ('{ type = "float", low = 0.0, high = 1.0, step = 0.3 }', "lower high to 0.9"),
        ('{ type = "float", low = 0.0, high = 1.0, step = -0.1 }', "above 0"),
        ('{ type = "float", low = 0.0, high = 1e300, step = 1e-300 }', "too many values"),
        ('{ type = "float", low = -1e308, high = 1e308 }', "too wide"),
        ('{ type = "float", low = nan, high = 1.0 }', "nan"),
        ('{ type = "float", low = 0.0, high = inf }', "inf"),
        ('{ type = "float", low = "0", high = 1.0 }', "must be a number"),
        ('{ type = "categorical", choices = [] }', "one or more"),
        ('{ type = "categorical", choices = "ab" }', "a list"),
        ('{ type = "categorical", choices = ["a", "a"] }', "equal to another"),
        ('{ type = "categorical", choices = [1, true] }', "equal to another"),
        ('{ type = "categorical", choices = [[1]] }', "every choice"),
        ('{ type = "categorical", choices = [1], low = 1 }', "unknown key 'low'"),
        ('{ type = "bool" }', "must be 'int' or 'float' or 'categorical'"),
        ('{ type = "integer", low = 1, high = 2 }', "did you mean 'int'?"),
        ("{ low = 1, high = 2 }", "the key 'type' is missing"),
        ("5", "must be a table, not 5"),
    ],
)
def test_refuses_a_wrong_range(fault: Fault, range_: str, words: str) -> None:
    found = fault(HIDDEN, f"hidden = {range_}")
    assert found.startswith("lab.toml:26: ")
    assert words in found


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            'file = "params.json"',
            'file = { type = "int", low = 1, high = 2 }',
            "cannot be a parameter's name",
        ),
        ('file = "params.json"', 'file = "train.py"', ".json or a .toml"),
        ('file = "params.json"', 'file = "params.json"\nkey = "a..b"', "name of a table"),
        (HIDDEN, '"" = { type = "int", low = 1, high = 2 }', "1 to 250"),
        (HIDDEN, '"a\\nb" = { type = "int", low = 1, high = 2 }', "letters"),
        (HIDDEN, '"a " = { type = "int", low = 1, high = 2 }', "space"),
        (HIDDEN, 'key = { type = "int", low = 1, high = 2 }', "cannot be a parameter's name"),
    ],
)
def test_refuses_wrong_names(fault: Fault, old: str, new: str, words: str) -> None:
    assert words in fault(old, new)


def optuna_takes(make: Callable[[], object]) -> bool:
    """Whether Optuna takes a distribution as it is written."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            make()
        except (ValueError, UserWarning, ArithmeticError):
            return False
    return True


def we_take(model: type[IntParameter] | type[FloatParameter], **fields: object) -> bool:
    try:
        model(**fields)  # type: ignore[arg-type]
    except ValidationError:
        return False
    return True


@given(low=st.integers(-20, 20), high=st.integers(-20, 20), log=st.booleans(), step=st.integers(-1, 6))
@settings(deadline=None)
def test_takes_the_whole_numbers_that_optuna_takes_unchanged(
    low: int, high: int, log: bool, step: int
) -> None:
    expected = optuna_takes(lambda: optuna.distributions.IntDistribution(low, high, log, step))
    assert we_take(IntParameter, type="int", low=low, high=high, log=log, step=step) == expected


AMOUNTS = st.integers(-30, 30).map(lambda tenth: tenth / 10)


@given(low=AMOUNTS, high=AMOUNTS, log=st.booleans(), step=st.none() | AMOUNTS)
@settings(deadline=None)
def test_takes_the_floats_that_optuna_takes_unchanged(
    low: float, high: float, log: bool, step: float | None
) -> None:
    expected = optuna_takes(lambda: optuna.distributions.FloatDistribution(low, high, log, step))
    assert we_take(FloatParameter, type="float", low=low, high=high, log=log, step=step) == expected
