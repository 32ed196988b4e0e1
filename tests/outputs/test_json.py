"""JSON documents: one decoding, one text, and a schema that cannot be made to hang the lab."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab_plugin.errors import ConfigError
from lab_plugin.outputs import _json
from tests.outputs.conftest import Check

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=VALUES, ascii_only=st.booleans())
def test_a_document_comes_out_equal_and_in_one_form(value: Any, ascii_only: bool, check: Check) -> None:
    fault, copy = check(json.dumps(value, ensure_ascii=ascii_only, indent=2).encode(), type="json")
    assert fault == ""
    assert json.loads(copy) == value
    assert check(copy, type="json") == ("", copy)


WRONG = {
    "nothing": (b"", "no JSON"),
    "not UTF-8": (b'"\xff"', "no UTF-8 at byte 1"),
    "UTF-16": ('"a"'.encode("utf-16"), "no UTF-8"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "no JSON"),
    "a key twice": (b'{"a": 1, "a": 2}', "key twice"),
    "a key twice below": (b'[{"a": {"b": 1, "\\u0062": 2}}]', "key twice"),
    "NaN": (b"[NaN]", "NaN"),
    "infinite": (b"[-Infinity]", "Infinity"),
    "too large for a float": (b"[1e999]", "too large"),
    "half a character": (b'["\\ud800"]', "half a character"),
    "half a character as a key": (b'{"\\udfff": 1}', "half a character"),
    "deep": (b"[" * 65 + b"]" * 65, "deeper than 64"),
    "very deep": (b"[" * 1_000_000, "deeper than 64"),
    "deep objects": (b'{"a":' * 65 + b"1" + b"}" * 65, "deeper than 64"),
    "many digits": (b"1" * 5_000, "no JSON"),
    "two documents": (b"{} {}", "no JSON"),
    "a comment": (b"{} // fine", "no JSON"),
    "too large": (b" " * 101, "101 bytes, more than 100"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_strict_document_is_refused(name: str, check: Check) -> None:
    data, words = WRONG[name]
    limit = 100 if name == "too large" else 2 << 20
    fault, _ = check(data, type="json", max=limit)
    assert words in fault


def test_brackets_in_texts_are_not_depth(check: Check) -> None:
    assert check(json.dumps(["[" * 500 + '\\"' + "{" * 500]).encode(), type="json")[0] == ""
    assert check(b"[" * 64 + b"]" * 64, type="json")[0] == ""


SCHEMA = {
    "type": "object",
    "required": ["scores"],
    "additionalProperties": False,
    "properties": {"scores": {"type": "array", "items": {"$ref": "#/$defs/score"}}},
    "$defs": {"score": {"type": "number", "maximum": 1}},
}


def test_a_document_is_held_against_its_schema(check: Check, snapshot: Path) -> None:
    good, bad = b'{"scores": [0.5, 1]}', b'{"scores": [0.5, 2]}'
    assert check(good, type="json", schema=SCHEMA) == ("", b'{"scores":[0.5,1]}')
    assert check(bad, type="json", schema=SCHEMA)[0] == "breaks 'maximum' of its schema at '$.scores[1]'"
    (snapshot / "schema.json").write_text(json.dumps(SCHEMA))
    assert check(bad, type="json", schema="schema.json")[0].startswith("breaks 'maximum'")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nonsense"},
        {"$ref": "https://example.com/schema.json"},
        {"$ref": "#/$defs/missing"},
        {"pattern": "("},
    ],
    ids=str,
)
def test_a_schema_that_cannot_be_used_is_the_labs_fault(schema: dict[str, Any], check: Check) -> None:
    with pytest.raises(ConfigError, match="cannot be used"):
        check(b'"text"', type="json", schema=schema)


def test_a_schema_file_that_is_missing_is_the_labs_fault(check: Check) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        check(b"{}", type="json", schema="schema.json")


def test_a_document_cannot_make_a_pattern_run_for_ever(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_json, "SECONDS", 2.0)
    fault, _ = check(b'"' + b"a" * 60 + b'!"', type="json", schema={"pattern": "^(a+)+$"})
    assert "could not be held against its schema within" in fault
