"""All outputs together: fresh folder, no links, sizes, and what has no schema."""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab_plugin.outputs import canonical_outputs
from tests.outputs.conftest import SCHEMA


def test_copies_lie_in_a_fresh_folder_that_nobody_changes(
    check_all: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "seen").mkdir()
    (tmp_path / "seen" / "old").write_text("of a trial before")
    before = os.umask(0o077)
    try:
        faults, folder = check_all(
            {"a/b/raw": b"\0\1", "free": b"any"}, {"a/b/raw": {"type": "bytes", "max": 2}}
        )
    finally:
        os.umask(before)
    assert faults == {}
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in files.items()} == {"a/b/raw": b"\0\1", "free": b"any"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files.values()} == {0o444}
    assert stat.S_IMODE((folder / "a" / "b").stat().st_mode) == 0o755


def test_too_many_bytes_are_refused(check_all: Callable[..., Any]) -> None:
    faults, _ = check_all({"raw": b"123"}, {"raw": {"type": "bytes", "max": 2}})
    assert faults == {"raw": "has 3 bytes, more than 2"}


@pytest.mark.parametrize("kind", ["link", "hard link", "pipe", "folder", "missing"])
def test_only_a_plain_file_is_read(kind: str, tmp_path: Path, snapshot: Path) -> None:
    secret, path = tmp_path / "secret", tmp_path / "raw"
    secret.write_text("secret")
    make: dict[str, Callable[[], object]] = {
        "link": lambda: path.symlink_to(secret),
        "hard link": lambda: path.hardlink_to(secret),
        "pipe": lambda: os.mkfifo(path),
        "folder": lambda: path.mkdir(),
        "missing": lambda: None,
    }
    make[kind]()
    rules = {"raw": SCHEMA.validate_python({"type": "bytes", "max": 100})}
    faults = canonical_outputs(rules, {"raw": path}, tmp_path / "seen", snapshot)
    assert set(faults) == {"raw"}
    assert not (tmp_path / "seen" / "raw").exists()
