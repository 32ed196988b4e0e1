"""The labs that show the contracts, from `lab lock` to a verified champion."""

from collections.abc import Callable
from pathlib import Path

from lab_plugin.lab import Lab
from tests.conftest import git
from tests.program import Cli, document


def test_a_policy_that_balances_longer_is_found(cli: Cli, make_lab: Callable[..., Path]) -> None:
    folder = make_lab("balance")
    assert document(cli("lock", "--json", cwd=folder))["value"] == 7.75
    results = document(cli("run", "-n", "4", "-j", "2", "--json", cwd=folder))
    assert results["champion"]["value"] > 7.75
    assert [idea["reason"] for idea in results["ideas"] if idea["value"] is None] == []


def test_a_module_that_passes_more_tests_is_found(
    cli: Cli, make_lab: Callable[..., Path], home: Path
) -> None:
    folder = make_lab("tokens")
    checks = document(cli("check", "--json", cwd=folder))
    assert checks["ok"], checks
    assert document(cli("lock", "--json", cwd=folder))["value"] == 0.5
    lab = Lab.open(folder)
    lock = lab.ledger.state().lock
    lab.close()
    assert lock is not None
    assert len(lock.tests) == 8
    results = document(cli("run", "-n", "6", "--json", cwd=folder))
    assert results["champion"]["value"] > 0.5
    assert document(cli("verify", "best", "--rerun", "--json", cwd=folder))["rerun"]["equal"]

    (folder / "scorer" / "tests" / "test_more.py").write_text("def test_more(): pass\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "More")
    assert "test_more.py" in cli("run", "-n", "1", cwd=folder, code=1).stderr
