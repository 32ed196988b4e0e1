"""A fresh clone of a locked lab, which has no ledger yet."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import git
from tests.program import Cli, document

READING = (
    ("results",),
    ("results", "--imported"),
    ("show", "1"),
    ("diff", "1"),
    ("digest",),
    ("diagnose", "1"),
    ("queue",),
    ("export", "results.tsv"),
    ("attest", "1"),
    ("simulate",),
    ("verify",),
)


def test_what_reads_says_how_the_ledger_comes_here_and_shows_no_empty_lab(
    cli: Cli, make_clone: Callable[[str, int], tuple[Path, Path, Path]]
) -> None:
    _, _, clone = make_clone("rosenbrock", 1)
    for command in READING:
        done = cli(*command, cwd=clone, code=1)
        assert not done.stdout, command
        assert "ledger" in done.stderr and "`lab sync`" in done.stderr, command
    assert not (clone / "results.tsv").exists()
    cli("sync", cwd=clone)
    assert "kept" in cli("results", cwd=clone).stdout
    assert "1 kept" in cli("digest", cwd=clone).stdout
    assert "every link" in cli("verify", cwd=clone).stdout


@pytest.mark.parametrize("committed", [True, False], ids=["lock committed", "branches only"])
def test_a_clone_of_a_lab_without_a_remote_is_not_told_to_lock_it_again(
    cli: Cli, make_lab: Callable[..., Path], tmp_path: Path, committed: bool
) -> None:
    folder, bare, clone = make_lab(), tmp_path / "bare", tmp_path / "clone"
    cli("lock", cwd=folder)
    cli("add", "--param", "x=1.0", "--param", "y=1.0", cwd=folder)
    cli("run", "-n", "1", cwd=folder)
    if committed:
        git(folder, "add", "lab.lock")
        git(folder, "commit", "-qm", "Lock")
    git(tmp_path, "init", "-q", "--bare", "-b", "main", str(bare))
    git(folder, "push", "-q", str(bare), "main", "refs/heads/lab/*", "refs/lab/rosenbrock/ledger")
    git(tmp_path, "clone", "-q", str(bare), str(clone))

    fetch = "git fetch origin 'refs/lab/rosenbrock/ledger:refs/lab/rosenbrock/ledger'"
    for command in (("lock",), ("run", "-n", "1"), ("add", "--param", "x=0.5"), *READING):
        done = cli(*command, cwd=clone, code=1)
        assert fetch in done.stderr and "ledger" in done.stderr, command
    assert fetch in cli("status", cwd=clone).stdout
    checks = document(cli("check", "--json", cwd=clone, code=1))["checks"]
    (found,) = [each for each in checks if not each["ok"]]
    assert found["what"] == "lock" and fetch in found["remedy"]
    assert git(clone, "for-each-ref", "refs/lab") == ""

    remedy = cli("status", cwd=clone).stdout.split("`")[1]
    subprocess.run(remedy, shell=True, cwd=clone, check=True, capture_output=True)
    assert "kept" in cli("results", cwd=clone).stdout


def test_a_new_lab_can_be_begun_where_the_old_ledger_is_gone(
    cli: Cli, make_lab: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_lab()
    cli("lock", cwd=folder)
    git(folder, "add", "lab.lock")
    git(folder, "commit", "-qm", "Lock")
    git(tmp_path, "clone", "-q", str(folder), "clone")
    clone = tmp_path / "clone"
    assert "`lab lock --baseline HEAD`" in cli("lock", cwd=clone, code=1).stderr
    cli("lock", "--baseline", "HEAD", cwd=clone)
    cli("run", "-n", "1", cwd=clone)
    cli("verify", cwd=clone)
