"""Outputs on disk, checked and copied through the public door."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from lab_plugin.config import OutputSchema
from lab_plugin.outputs import canonical_outputs

SCHEMA: TypeAdapter[OutputSchema] = TypeAdapter(OutputSchema)
Check = Callable[..., tuple[str, bytes]]


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    folder = tmp_path / "snapshot"
    folder.mkdir()
    return folder


@pytest.fixture
def check_all(tmp_path: Path, snapshot: Path) -> Callable[..., tuple[Mapping[str, str], Path]]:
    """Check several outputs; what was wrong with which, and the folder of copies."""

    def check(files: Mapping[str, bytes], schemas: Mapping[str, Mapping[str, Any]]) -> Any:
        sources = {}
        for name, data in files.items():
            sources[name] = tmp_path / "outputs" / name
            sources[name].parent.mkdir(parents=True, exist_ok=True)
            sources[name].write_bytes(data)
        rules = {name: SCHEMA.validate_python(schema) for name, schema in schemas.items()}
        return canonical_outputs(rules, sources, tmp_path / "seen", snapshot), tmp_path / "seen"

    return check


@pytest.fixture
def check(check_all: Callable[..., tuple[Mapping[str, str], Path]]) -> Check:
    """Check one output; the fault, or "" and the copy's bytes."""

    def one(data: bytes, **schema: Any) -> tuple[str, bytes]:
        faults, folder = check_all({"out": data}, {"out": schema})
        return faults.get("out", ""), b"" if faults else (folder / "out").read_bytes()

    return one
