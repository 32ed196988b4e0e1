"""A fresh clone of a shared lab, which has no ledger yet."""

from collections.abc import Callable
from pathlib import Path

from tests.conftest import git
from tests.program import Cli

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
    cli: Cli, make_lab: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_lab(replace={'name = "rosenbrock"': 'name = "rosenbrock"\nremote = "origin"'})
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "hub")
    git(folder, "remote", "add", "origin", str(tmp_path / "hub"))
    cli("lock", cwd=folder)
    cli("add", "--param", "x=1.0", "--param", "y=1.0", cwd=folder)
    cli("run", "-n", "1", cwd=folder)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Lock")
    git(folder, "push", "-q", "origin", "HEAD:main")
    git(tmp_path, "clone", "-q", "hub", "clone")
    clone = tmp_path / "clone"
    for command in READING:
        done = cli(*command, cwd=clone, code=1)
        assert not done.stdout, command
        assert "ledger" in done.stderr and "`lab sync`" in done.stderr, command
    assert not (clone / "results.tsv").exists()
    cli("sync", cwd=clone)
    assert "kept" in cli("results", cwd=clone).stdout
    assert "1 kept" in cli("digest", cwd=clone).stdout
    assert "every link" in cli("verify", cwd=clone).stdout
