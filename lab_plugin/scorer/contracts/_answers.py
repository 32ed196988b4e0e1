"""What a candidate says, as hostile bytes: taken apart strictly, put together again in one canonical way."""

from __future__ import annotations

import json
import re
from typing import Any

from lab_plugin.strict_json import NotStrict, load_strict

MAX_DEPTH = 100
MAX_KIND = 200
MAX_MESSAGE = 2_000
# Never fails once it has begun: an unclosed string costs no second look.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


class AnswerFault(ValueError):
    """The bytes are no answer; the text names the rule that they break."""


def canonical_json(data: bytes) -> tuple[Any, bytes]:
    """Read a JSON document that somebody hostile wrote.

    Returns:
        The value, and the one way to write it: UTF-8, sorted keys, no spaces.

    Raises:
        AnswerFault: It is not UTF-8, no JSON, nested deeper than `MAX_DEPTH`, or holds a duplicate key, a
            number that is not finite, or text that is not valid Unicode.
    """
    _require_shallow(data)
    try:
        value = load_strict(data.decode("utf-8"))
        return value, _canonical(value)
    except AnswerFault:
        raise
    except NotStrict as error:
        raise AnswerFault(f"it {error}") from None
    except UnicodeEncodeError:
        raise AnswerFault("it holds text that is not valid Unicode") from None
    except ValueError as error:
        raise AnswerFault(f"it is not JSON: {str(error)[:200]}") from None


def canonical_answer(data: bytes) -> bytes:
    """Read an answer: `{"value": ...}` or `{"error": KIND, "message": TEXT}`.

    Returns:
        The one way to write it.

    Raises:
        AnswerFault: It is no such JSON document.
    """
    value, canonical = canonical_json(data)
    keys = set(value) if isinstance(value, dict) else set()
    if keys == {"value"}:
        return canonical
    if keys != {"error", "message"}:
        raise AnswerFault('it is neither {"value": ...} nor {"error": ..., "message": ...}')
    for key, limit in (("error", MAX_KIND), ("message", MAX_MESSAGE)):
        if not isinstance(value[key], str) or len(value[key]) > limit:
            raise AnswerFault(f'its "{key}" is no text of at most {limit:,} characters')
    return canonical


def _canonical(value: Any) -> bytes:
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    except ValueError:
        # 1e999 is read as an infinity.
        raise AnswerFault("it holds a number that is not finite") from None
    return text.encode("utf-8")


def _require_shallow(data: bytes) -> None:
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return
    depth = 0
    for bracket in _STRING.sub(b"", data).translate(None, _NOT_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            raise AnswerFault(f"it is nested deeper than {MAX_DEPTH}")
