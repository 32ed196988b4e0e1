from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from lab_plugin.config import check_committed, load
from lab_plugin.errors import ConfigError


class Entry(NamedTuple):
    mode: int


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(folder), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def folder(tmp_path: Path, valid: str) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "lab.toml").write_text(valid)
    (tmp_path / "scorer").mkdir()
    for name in ("train.py", "params.json", "PROGRAM.md", "scorer/score.py"):
        (tmp_path / name).write_text("{}")
    return tmp_path


def faults_of(folder: Path, lab: Path | None = None) -> tuple[str, ...]:
    """Commits everything in the repository and checks the lab against that commit."""
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", "x")
    lines = git(folder, "ls-tree", "-r", "-z", "HEAD").split("\0")[:-1]
    entries = {line.split("\t")[1]: Entry(int(line.split(" ")[0], 8)) for line in lines}
    lab = lab or folder
    try:
        check_committed(load(lab / "lab.toml"), entries, str(lab.relative_to(folder)))
    except ConfigError as error:
        return error.faults
    return ()


def test_a_sound_lab_has_no_fault(folder: Path) -> None:
    assert faults_of(folder) == ()


def test_a_lab_in_a_subfolder_is_checked_there(folder: Path) -> None:
    inner = folder / "labs/inner"
    inner.mkdir(parents=True)
    for name in ("lab.toml", "train.py", "params.json", "PROGRAM.md", "scorer"):
        os.rename(folder / name, inner / name)
    assert faults_of(folder, inner) == ()
    (inner / "train.py").unlink()
    (folder / "train.py").touch()
    assert faults_of(folder, inner) == ('lab.toml:6: candidate.paths: "train.py" does not exist',)


def test_a_candidate_path_that_is_missing_or_not_committed(folder: Path) -> None:
    (folder / "train.py").unlink()
    (folder / ".gitignore").write_text("params.json\n")
    assert faults_of(folder) == (
        'lab.toml:6: candidate.paths: "train.py" does not exist',
        'lab.toml:6: candidate.paths: "params.json" is not committed; run git add and git commit',
        'lab.toml:25: search_space.file: "params.json" is not committed; run git add and git commit',
    )


def test_a_candidate_path_that_is_a_link(folder: Path) -> None:
    (folder / "train.py").unlink()
    (folder / "train.py").symlink_to("/etc/passwd")
    (fault,) = faults_of(folder)
    assert fault == 'lab.toml:6: candidate.paths: "train.py" is or lies beneath a symbolic link, train.py'


def test_a_candidate_path_beneath_a_linked_folder(folder: Path, valid: str) -> None:
    (folder / "lab.toml").write_text(valid.replace('"train.py", ', '"src/a.py", '))
    (folder / "real").mkdir()
    (folder / "real/a.py").touch()
    (folder / "src").symlink_to("real")
    (fault,) = faults_of(folder)
    assert "beneath a symbolic link, src" in fault


def test_a_candidate_path_beneath_a_file(folder: Path, valid: str) -> None:
    (folder / "lab.toml").write_text(valid.replace('"train.py", ', '"train.py/x", '))
    (fault,) = faults_of(folder)
    assert "lies beneath a file, train.py" in fault


def test_a_candidate_path_in_a_submodule(folder: Path) -> None:
    (folder / "train.py").unlink()
    (folder / "train.py").mkdir()
    git(folder / "train.py", "init", "-q")
    git(folder / "train.py", "commit", "-q", "--allow-empty", "-m", "x")
    assert any("submodule, train.py" in fault for fault in faults_of(folder))


def test_a_pattern_that_matches_nothing(folder: Path, valid: str) -> None:
    (folder / "lab.toml").write_text(valid.replace('["scorer/**"]', '["scorer/**",\n"tests/**"]'))
    assert faults_of(folder) == ('lab.toml:17: scorer.files: "tests/**" matches no file',)


def test_a_link_in_the_scorer(folder: Path) -> None:
    (folder / "scorer/labels").symlink_to("/etc/passwd")
    (on_disk,) = faults_of(folder)
    assert on_disk == "lab.toml:16: scorer.files: scorer/labels: is a symbolic link"


def test_a_link_in_the_scorer_that_is_only_in_the_commit(folder: Path) -> None:
    entries = {name: Entry(0o100644) for name in ("train.py", "params.json")} | {
        "scorer/labels": Entry(0o120000)
    }
    with pytest.raises(ConfigError, match="scorer/labels is committed as a link"):
        check_committed(load(folder / "lab.toml"), entries)


def test_instructions_and_data_must_be_plain(folder: Path, valid: str) -> None:
    (folder / "lab.toml").write_text(valid.replace("cpus    = 1", 'data = "data"'))
    (folder / "PROGRAM.md").unlink()
    (folder / "data").symlink_to("/etc")
    found = faults_of(folder)
    assert [fault.split(":")[1] for fault in found] == ["3", "11"]
