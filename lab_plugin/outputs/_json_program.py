"""Holds one JSON document against a JSON schema. Run as a program of its own, which needs only jsonschema.

Arguments: the document's path, seconds of CPU. The schema comes by stdin. One JSON object is printed:
`schema` says why the schema cannot be used, `fault` where the document breaks which rule.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import warnings
from typing import Any

_BYTES = 4 << 30
_RECURSION = 20_000


def main() -> None:
    """Check, and print what came of it."""
    seconds = int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (_BYTES, _BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.setrecursionlimit(_RECURSION)
    warnings.simplefilter("ignore")
    with open(sys.argv[1], "rb") as stream:
        document = json.load(stream)
    schema, fault = check(document, sys.stdin.buffer.read())
    print(json.dumps({"schema": schema, "fault": fault}))


def check(document: Any, text: bytes) -> tuple[str, tuple[str, str] | None]:
    """Why the schema cannot be used, and where the document breaks which of its rules."""
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
    from jsonschema.exceptions import SchemaError  # type: ignore[import-untyped]
    from jsonschema.validators import validator_for  # type: ignore[import-untyped]
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    try:
        schema = json.loads(text)
        kind = validator_for(schema, default=Draft202012Validator)
        kind.check_schema(schema)
        # An empty registry: the usual one fetches what a schema refers to.
        error = next(kind(schema, registry=Registry()).iter_errors(document), None)
    except SchemaError as wrong:
        return f"{wrong.json_path}: {wrong.message}"[:300], None
    except Unresolvable as wrong:
        return f"it refers to {str(wrong.ref)[:200]!r}, which it does not hold", None
    except (ValueError, TypeError, AttributeError, re.error) as wrong:
        return f"{type(wrong).__name__}: {wrong}"[:300], None
    return "", None if error is None else (error.json_path, str(error.validator))


if __name__ == "__main__":
    main()
