"""Answers as hostile bytes: what passes is one canonical JSON document, or nothing does."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_plugin.scorer.contracts._answers import MAX_DEPTH, AnswerFault, canonical_answer, canonical_json

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


def finite(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(finite, value.values()))
    return all(map(finite, value)) if isinstance(value, list) else True


@given(values, st.sampled_from([None, 2]), st.booleans())
def test_every_finite_value_passes_unchanged_in_one_form(
    value: object, indent: int | None, ascii_only: bool
) -> None:
    data = json.dumps({"value": value}, indent=indent, ensure_ascii=ascii_only).encode()
    if not finite(value):
        with pytest.raises(AnswerFault, match="finite"):
            canonical_answer(data)
        return
    canonical = canonical_answer(data)
    assert json.loads(canonical) == {"value": value}
    assert canonical_answer(canonical) == canonical


@given(st.binary(max_size=200) | st.text('[]{}",:\\ 0eE.-+NaInfity', max_size=60).map(str.encode))
def test_any_bytes_pass_as_json_or_are_refused(data: bytes) -> None:
    try:
        value, canonical = canonical_json(data)
    except AnswerFault:
        return
    assert finite(value)
    assert json.loads(canonical) == value == json.loads(data)


@pytest.mark.parametrize("opening", ["[", '{"a":', '[[],"]]]]]]]]",'])
def test_the_depth_is_bounded(opening: str) -> None:
    closing = "}" if opening.startswith("{") else "]"

    def nested(depth: int) -> bytes:
        return (opening * depth + "1" + closing * depth).encode()

    assert canonical_json(nested(MAX_DEPTH - 1))
    with pytest.raises(AnswerFault, match="nested deeper"):
        canonical_json(nested(MAX_DEPTH + 1))


@pytest.mark.parametrize("data", [b'"' + b'\\"' * (1 << 19), b'["' * (1 << 19), b"[" + b'"\\' * (1 << 19)])
def test_no_text_takes_long(data: bytes) -> None:
    with pytest.raises(AnswerFault):
        canonical_json(b"[" * 200 + data)
