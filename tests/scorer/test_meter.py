"""The environment: what of it is a change, and what is not."""

import importlib.util
import os
import py_compile
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab_plugin.errors import LockError
from lab_plugin.scorer import EnvironmentMeter

Venv = tuple[Path, Path, Path]


def test_a_file_that_changes_is_found_and_named(venv: Venv) -> None:
    python, packages, memory = venv
    meter = EnvironmentMeter(python, memory)
    locked = meter.measure().content
    stat = (packages / "helper.py").stat()
    (packages / "helper.py").write_text("ANSWER = 42\n")
    os.utime(packages / "helper.py", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    # By this process and by every later one: what was not agreed to is not remembered.
    for again in (meter, EnvironmentMeter(python, memory), EnvironmentMeter(python, memory)):
        found = again.measure().content
        assert {part for part in locked if locked[part] != found[part]} == {"site-packages/helper.py"}
        assert again.changed == (str(packages / "helper.py"),)
    (packages / "helper.py").write_text("ANSWER = 41\n")
    assert EnvironmentMeter(python, memory).measure().content == locked


@pytest.mark.parametrize("name", ["path.pth", "legacy.pyc"])
def test_a_file_that_comes_or_goes_is_found(venv: Venv, name: str) -> None:
    python, packages, memory = venv
    locked = EnvironmentMeter(python, memory).measure().content
    (packages / name).write_text("# new\n")
    found = EnvironmentMeter(python, memory).measure().content
    assert found.keys() - locked.keys() == {f"site-packages/{name}"}
    assert EnvironmentMeter(python, memory).measure(trust=True).content == found
    (packages / name).unlink()
    assert EnvironmentMeter(python, memory).measure().content == locked


def test_what_changes_no_content_is_no_change(venv: Venv) -> None:
    python, packages, memory = venv
    locked = EnvironmentMeter(python, memory).measure().content
    (packages / "helper.py").touch()
    (packages / "helper-1.0.dist-info" / "RECORD").write_text("helper.py,,\n")
    py_compile.compile(str(packages / "helper.py"))
    assert EnvironmentMeter(python, memory).measure().content == locked
    assert EnvironmentMeter(python, memory).measure(whole=True).content == locked


def test_bytecode_that_its_source_does_not_compile_to_is_refused(venv: Venv, tmp_path: Path) -> None:
    python, packages, memory = venv
    EnvironmentMeter(python, memory).measure()
    source = packages / "helper.py"
    evil = tmp_path / "helper.py"
    evil.write_text("ANSWER = 66\n")
    # As an attacker would: the header is that of the true source, so that Python runs it unseen.
    honest = Path(py_compile.compile(str(source), doraise=True) or "").read_bytes()
    wrong = Path(py_compile.compile(str(evil), doraise=True) or "").read_bytes()
    Path(importlib.util.cache_from_source(str(source))).write_bytes(honest[:16] + wrong[16:])
    for _ in range(2):
        with pytest.raises(LockError, match=r"not what its source compiles to(.*\n)+.*helper\.cpython"):
            EnvironmentMeter(python, memory).measure()


def test_bytecode_that_came_with_a_change_is_not_believed_when_the_change_goes(
    venv: Venv, tmp_path: Path
) -> None:
    python, packages, memory = venv
    locked = EnvironmentMeter(python, memory).measure().content
    source = packages / "helper.py"
    source.write_text("ANSWER = 66\n")
    cached = Path(py_compile.compile(str(source), doraise=True) or "")
    assert EnvironmentMeter(python, memory).measure().content != locked
    source.write_text("ANSWER = 41\n")
    os.utime(source, ns=(0, int.from_bytes(cached.read_bytes()[8:12], "little") * 1_000_000_000))
    with pytest.raises(LockError, match="not what its source compiles to"):
        EnvironmentMeter(python, memory).measure()


def test_a_whole_look_reads_what_the_stat_hides(venv: Venv, monkeypatch: pytest.MonkeyPatch) -> None:
    python, packages, memory = venv
    meter = EnvironmentMeter(python, memory)
    locked = meter.measure().content
    # A machine whose clock was set back, or a disk that lost bits: the stat stays, the content does not.
    plain = open

    def rotten(path: str, *given: object, **named: object) -> object:
        if str(path).endswith("/this.py"):
            path = os.devnull
        return plain(path, *given, **named)  # type: ignore[call-overload]

    monkeypatch.setattr("lab_plugin.scorer._meter.open", rotten, raising=False)
    assert meter.measure().content == locked
    monkeypatch.setattr("lab_plugin.scorer._meter.time.time", lambda: time.time_ns() / 1e9 + 7200)
    assert meter.measure(whole=True).content != locked


@pytest.mark.parametrize("damage", ["cut", "garbled", "gone"])
def test_a_damaged_memory_is_made_anew(venv: Venv, damage: str) -> None:
    python, _, memory = venv
    locked = EnvironmentMeter(python, memory).measure().content
    for path in memory.iterdir():
        data = path.read_bytes()
        if damage == "gone":
            path.unlink()
        else:
            path.write_bytes(data[: len(data) // 2] if damage == "cut" else data.replace(b"1", b"3"))
    assert EnvironmentMeter(python, memory).measure().content == locked


def test_a_folder_behind_a_link_belongs_to_it_once(venv: Venv) -> None:
    python, packages, memory = venv
    (packages / "loop").symlink_to(packages)
    try:
        found = EnvironmentMeter(python, memory).measure().content
    finally:
        (packages / "loop").unlink()
    assert "site-packages/helper.py" in found


def test_an_interpreter_that_cannot_start_is_named_with_its_own_words(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho tried >&2\necho 'libpython3.so: no such file' >&2\nexit 127\n")
    python.chmod(0o755)
    with pytest.raises(LockError) as caught:
        EnvironmentMeter(python, tmp_path / "memory").measure()
    assert caught.value.message == (
        f"The interpreter {python} cannot be asked for its environment: libpython3.so: no such file."
    )


def test_without_gnu_find_nothing_is_measured(tmp_path: Path) -> None:
    (tmp_path / "find").write_text("#!/bin/sh\necho 'BusyBox find'\n")
    (tmp_path / "find").chmod(0o755)
    code = (
        "import pathlib, sys\n"
        "from lab_plugin.errors import LockError\n"
        "from lab_plugin.scorer import EnvironmentMeter\n"
        "try:\n    EnvironmentMeter(None, pathlib.Path(sys.argv[1])).measure()\n"
        "except LockError as error:\n    print(error.message, error.remedy)\n"
    )
    for folder in (tmp_path, tmp_path / "none"):
        command = [sys.executable, "-c", code, str(tmp_path)]
        done = subprocess.run(command, env={"PATH": str(folder)}, capture_output=True, text=True, check=True)
        assert "GNU find" in done.stdout and "findutils" in done.stdout
