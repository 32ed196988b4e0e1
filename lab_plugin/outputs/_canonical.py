"""All outputs of one trial: checked, and copied in their canonical form."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from lab_plugin.config import BytesSchema, CsvSchema, JsonSchema, NpySchema, OutputSchema
from lab_plugin.errors import ConfigError
from lab_plugin.outputs._csv import copy_csv
from lab_plugin.outputs._fault import OutputFault
from lab_plugin.outputs._files import created, make_folders, opened
from lab_plugin.outputs._json import copy_json, require_schema
from lab_plugin.outputs._npy import copy_npy
from lab_plugin.outputs._sizes import Sizes

_LARGEST_SCHEMA = 1 << 20
_ANY = BytesSchema(type="bytes", max=1 << 40)


def canonical_outputs(
    schemas: Mapping[str, OutputSchema], outputs: Mapping[str, Path], destination: Path, snapshot: Path
) -> Mapping[str, str]:
    """Check what a candidate left, and write the copies that the scorer may see.

    Arrays and tables are read piece by piece, so that memory does not grow with them. Blocks for as long as
    reading takes; call it in a thread.

    Args:
        schemas: `[candidate] schemas`; an output without one is copied byte by byte.
        outputs: Declared output -> the file that came out of the sandbox.
        destination: Takes the copies under the outputs' names; made anew.
        snapshot: The scorer's files as locked, among them the JSON schemas that are named by path.

    Returns:
        Output -> the rule that it broke; empty when all are right, and only then are the copies whole.

    Raises:
        ConfigError: A JSON schema cannot be used.
    """
    shutil.rmtree(destination, ignore_errors=True)
    destination.mkdir(parents=True)
    destination.chmod(0o755)
    sizes = Sizes()
    faults: dict[str, str] = {}
    for name, source in outputs.items():
        target = destination / name
        make_folders(target.parent, destination)
        try:
            _copy(schemas.get(name, _ANY), name, source, target, sizes)
            _require(schemas.get(name), name, target, snapshot)
        except OutputFault as fault:
            faults[name] = str(fault)
    return faults


def _copy(schema: OutputSchema, name: str, source: Path, target: Path, sizes: Sizes) -> None:
    with opened(source, schema.max) as (stream, size), created(target) as copy:
        match schema:
            case NpySchema():
                copy_npy(schema, name, stream, size, copy, sizes)
            case JsonSchema():
                copy_json(stream, copy)
            case CsvSchema():
                copy_csv(schema, name, stream, copy, sizes)
            case BytesSchema():
                shutil.copyfileobj(stream, copy, 1 << 20)


def _require(schema: OutputSchema | None, name: str, copy: Path, snapshot: Path) -> None:
    if not isinstance(schema, JsonSchema) or schema.definition is None:
        return
    definition = schema.definition
    if not isinstance(definition, str):
        require_schema(copy, json.dumps(definition).encode(), name)
        return
    try:
        with (snapshot / definition).open("rb") as stream:
            text = stream.read(_LARGEST_SCHEMA + 1)
    except OSError as error:
        raise ConfigError(
            f"The JSON schema {definition} of candidate.schemas {name!r} cannot be read: {error.strerror}.",
            "Name a file of [scorer] files.",
        ) from error
    if len(text) > _LARGEST_SCHEMA:
        raise ConfigError(f"The JSON schema {definition} has more than {_LARGEST_SCHEMA:,} bytes.")
    require_schema(copy, text, name)
