"""A fresh clone of a shared lab, which has no ledger yet."""

from collections.abc import Callable
from pathlib import Path

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
