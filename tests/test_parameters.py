from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lab_plugin.errors import LabError
from lab_plugin.parameters import Format, ParametersError, format_of, read, render

TOML = b"""\
# what the model is made of
title = "mine"

[model]
lr = 0.1  # the step
old = [1, 2]   # kept

[other]
x = 1
"""


def test_json_keeps_other_keys_and_their_order() -> None:
    data = render(
        b'{"z": [1], "m": {"lr": 1, "w": "\xc3\xa9"}, "a": null}', "json", "m", {"lr": 0.5, "n": True}
    )
    assert data.decode() == (
        '{\n  "z": [\n    1\n  ],\n'
        '  "m": {\n    "lr": 0.5,\n    "w": "\u00e9",\n    "n": true\n  },\n  "a": null\n}\n'
    )


def test_toml_keeps_comments_order_and_the_rest_byte_for_byte() -> None:
    data = render(TOML, "toml", "model", {"lr": 1e-05})
    assert data == TOML.replace(b"lr = 0.1", b"lr = 1e-05")


@pytest.mark.parametrize("format", ["json", "toml"])
def test_makes_a_file_and_its_tables_where_there_are_none(format: Format) -> None:
    data = render(None, format, "a.b", {"x": 1, "y": "t"})
    loaded = json.loads(data) if format == "json" else tomllib.loads(data.decode())
    assert loaded == {"a": {"b": {"x": 1, "y": "t"}}}
    assert read(data, format, "a.b", ["y", "x"]) == {"y": "t", "x": 1}


@pytest.mark.parametrize(("path", "format"), [("p.json", "json"), ("a/p.toml", "toml")])
def test_the_name_says_the_format(path: str, format: Format) -> None:
    assert format_of(path) == format


@pytest.mark.parametrize(
    ("data", "format", "words"),
    [
        (b"[" * 60_000, "json", "too deep"),
        (b'{"a":' * 12_000, "json", "too deep"),
        (b'{"a":' * 60 + b"1" + b"}" * 60, "json", "more than 50 deep"),
        (b"a = " + b"[" * 60_000, "toml", "too deep"),
        (b"a." * 30_000 + b"b = 1", "toml", "50 parts"),
        (b"x = 1\n" * 20_000, "toml", "larger than 64 KiB"),
        (b'{"a": 1, "a": 2}', "json", "twice"),
        (b'{"b": {"a": 1, "a": 2}}', "json", "twice"),
        (b"a = 1\na = 2", "toml", "line 2"),
        (b'{"a": NaN}', "json", "NaN"),
        (b'{"a": -Infinity}', "json", "Infinity"),
        (b'{"a": 1e999}', "json", "too large"),
        (b"a = nan", "toml", "nan or inf"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "json", "no valid JSON"),
        (b"a = 0x" + b"f" * 50, "toml", "64 bits"),
        (b"[1]", "json", "table at its top"),
        (b"5", "json", "table at its top"),
        (b"", "json", "no valid JSON"),
        (b"\xff", "json", "UTF-8"),
        (b"\xff", "toml", "UTF-8"),
        (b"\xef\xbb\xbf{}", "json", "BOM"),
        (b"\xef\xbb\xbfa = 1", "toml", "byte order mark"),
        (b'{"m": 5}', "json", "m is no table"),
        (b"m = [{}]", "toml", "m is no table"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_refuses_hostile_files_with_their_path(data: bytes, format: Format, words: str) -> None:
    for act in (
        lambda: render(data, format, "m", {"x": 1}, path="dir/p"),
        lambda: read(data, format, "m", ["x"], path="dir/p"),
    ):
        with pytest.raises(ParametersError, match=f"^dir/p: .*{words}") as caught:
            act()
        assert caught.value.remedy
        assert len(str(caught.value)) < 400


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, [1], {}, 2**70, "\ud800"])
@pytest.mark.parametrize("format", ["json", "toml"])
def test_refuses_values_that_no_file_should_hold(format: Format, value: Any) -> None:
    with pytest.raises(LabError):
        render(None, format, None, {"x": value})


@pytest.mark.parametrize("text", ['{"x": null}', '{"x": [1]}', '{"x": {}}', "{}", '{"X": 1}'])
def test_reading_needs_every_parameter_as_a_plain_value(text: str) -> None:
    with pytest.raises(ParametersError):
        read(text.encode(), "json", None, ["x"])


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=5)
SCALARS = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=8)
)
VALUES = st.dictionaries(NAMES, SCALARS, min_size=1, max_size=4)
EXISTING = st.dictionaries(
    NAMES,
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
        max_leaves=4,
    ),
    max_size=4,
)
KEYS = st.none() | st.sampled_from(["k", "k.l", "a b"])


def exactly(values: dict[str, Any]) -> dict[str, tuple[type, Any]]:
    return {name: (type(value), value) for name, value in values.items()}


@given(existing=EXISTING, key=KEYS, first=VALUES, second=VALUES)
@settings(max_examples=60, deadline=None)
def test_json_gives_back_what_was_put_in_and_forgets_what_was_there(
    existing: dict[str, Any], key: str | None, first: dict[str, Any], second: dict[str, Any]
) -> None:
    assume(not existing.keys() & {"k", "a b"})
    before = json.dumps(existing).encode()
    data = render(before, "json", key, second)
    assert exactly(read(data, "json", key, second)) == exactly(second)
    again = render(
        render(before, "json", key, {**second, **dict.fromkeys(first, 1)}), "json", key, {**second, **first}
    )
    assert again == render(before, "json", key, {**second, **first})


@given(key=KEYS, first=VALUES, second=VALUES)
@settings(max_examples=60, deadline=None)
def test_toml_gives_back_what_was_put_in(
    key: str | None, first: dict[str, Any], second: dict[str, Any]
) -> None:
    assume(not first.keys() & {"k", "a b"} and not second.keys() & {"k", "a b"})
    once = render(TOML, "toml", key, first)
    data = render(once, "toml", key, second)
    assert exactly(read(data, "toml", key, second)) == exactly(second)
    assert exactly(read(data, "toml", key, first.keys() - second.keys())) == exactly(
        {name: first[name] for name in first.keys() - second.keys()}
    )
    assert render(data, "toml", key, second) == data


@given(data=st.binary(max_size=60), format=st.sampled_from(["json", "toml"]))
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_taken_or_refused(data: bytes, format: Format) -> None:
    try:
        rendered = render(data, format, "m", {"x": 1})
    except ParametersError:
        return
    assert read(rendered, format, "m", ["x"]) == {"x": 1}
