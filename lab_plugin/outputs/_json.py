"""JSON documents: decoded strictly, held against a JSON schema in a process of its own, and written anew."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from lab_plugin.errors import ConfigError
from lab_plugin.outputs._fault import OutputFault, shown
from lab_plugin.repeated_keys import repeated_key

SECONDS = 60.0
_DEPTH = 64
_PROGRAM = Path(__file__).with_name("_json_program.py")
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)


def copy_json(source: BinaryIO, target: BinaryIO) -> None:
    """Decode a document, and write the same values as UTF-8 with sorted keys and no spaces.

    Raises:
        OutputFault: It is no UTF-8 or no JSON, is nested deeper than 64 levels, or holds a key twice, NaN, an
            infinity, a number too large for a float, or half a character.
    """
    try:
        text = source.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise OutputFault(f"is no UTF-8 at byte {error.start}") from None
    _require_flat(text)
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)
        # The encoder meets the same depth; a number of too many digits is a ValueError in both.
        canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        target.write(canonical.encode("utf-8"))
    except OutputFault:
        raise
    except UnicodeEncodeError:
        raise OutputFault("holds half a character (a lone surrogate)") from None
    except ValueError as error:
        raise OutputFault(f"is no JSON: {str(error)[:120]}") from None


def require_schema(document: Path, schema: bytes, name: str) -> None:
    """Hold a document against a JSON schema.

    A hostile document can make a schema's patterns and rules of uniqueness run for years, and Python cannot
    interrupt them: so this runs in a process with limits.

    Args:
        document: A canonical copy.
        schema: JSON text of a JSON schema, of draft 2020-12 where it names no other.
        name: The output's name.

    Raises:
        OutputFault: The document breaks the schema, or cannot be checked within the limits.
        ConfigError: The schema itself cannot be used.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(_PROGRAM), str(document), str(int(SECONDS))],
            input=schema,
            capture_output=True,
            timeout=SECONDS,
            cwd="/",
            env={},
        )
        said = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise OutputFault(f"could not be held against its schema within {SECONDS:g} s") from None
    except ValueError:
        # Killed by its own limits, and nothing was said.
        raise OutputFault(
            "could not be held against its schema within the limits of time and memory"
        ) from None
    if said["schema"]:
        raise ConfigError(
            f"The JSON schema of candidate.schemas {name!r} cannot be used: {said['schema']}",
            "Correct it; it can refer to itself alone, and nothing is fetched.",
        )
    if said["fault"]:
        where, rule = said["fault"]
        raise OutputFault(f"breaks {shown(rule)} of its schema at {shown(where)}")


def _require_flat(text: str) -> None:
    if text.count("[") + text.count("{") <= _DEPTH:
        return
    depth = 0
    for match in _BRACKETS.finditer(text):
        first = match[0][0]
        depth += (first in "[{") - (first in "]}")
        if depth > _DEPTH:
            raise OutputFault(f"is nested deeper than {_DEPTH} levels")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if repeated_key(pairs) is not None:
        raise OutputFault("holds a key twice in one object")
    return dict(pairs)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise OutputFault("holds a number that is too large for a float")
    return number


def _refuse(text: str) -> NoReturn:
    raise OutputFault(f"holds {text}, which is no JSON")
