"""A day with the lab, from the terminal."""

import os
import pty
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import git
from tests.program import LAB, Cli, document


def test_from_nothing_to_a_merged_champion(cli: Cli, make_lab: Callable[..., Path]) -> None:
    folder = make_lab()
    checks = document(cli("check", "--json", cwd=folder))
    assert checks["ok"], checks
    assert {check["what"] for check in checks["checks"]} >= {
        "git",
        "sandbox",
        "candidate",
        "scorer",
        "MLflow",
    }
    assert document(cli("lock", "--json", cwd=folder))["value"] == 12.5

    head = git(folder, "rev-parse", "HEAD")
    done = cli("run", "-n", "12", "-j", "2", cwd=folder)
    assert "Champion   value" in done.stdout
    assert "0012" in done.stderr
    results = document(cli("results", "--json", cwd=folder))
    assert set(results) == {"lab", "goal", "metric", "epoch", "champion", "tiers", "ideas"}
    assert len(results["ideas"]) == 12
    wanted = {"number", "branch", "commit", "parents", "strategy", "tier", "verdict", "reason"}
    assert wanted | {"value", "metrics", "params", "seconds", "usd"} <= set(results["ideas"][0])
    best = results["champion"]
    assert best["value"] == min([12.5, *(idea["value"] for idea in results["ideas"])])

    status = document(cli("status", "--json", cwd=folder))
    assert status["champion"] == best
    assert status["campaign"] is None
    assert status["running"] is None
    kept = next(idea for idea in results["ideas"] if idea["commit"] == best["commit"])
    assert f"**{kept['verdict']}**" in cli("show", str(kept["number"]), cwd=folder).stdout
    assert "point.json" in cli("diff", "best", cwd=folder).stdout
    assert document(cli("verify", "--json", cwd=folder))["ok"]
    assert document(cli("verify", "best", "--json", cwd=folder))["idea"]["problems"] == []
    assert document(cli("verify", "best", "--rerun", "--json", cwd=folder))["rerun"]["equal"]
    cli("attest", "--output", "champion.json", cwd=folder)
    assert "proved by the ledger" in cli("verify", "champion.json", cwd=folder).stdout
    sync = document(cli("sync", "--json", cwd=folder))
    assert (sync["written"], sync["failed"]) == (0, 0)

    assert git(folder, "rev-parse", "HEAD") == head
    git(folder, "branch", "other")
    cli("merge", "other", cwd=folder)
    assert git(folder, "show", "other:point.json") == git(folder, "show", f"{best['commit']}:point.json")
    assert git(folder, "rev-parse", "HEAD") == head
    cli("merge", "main", cwd=folder)
    assert (
        str(best["value"])[:4] in git(folder, "log", "-1", "--format=%s")
        or git(folder, "merge-base", "--is-ancestor", best["commit"], "main") == ""
    )
    cli("merge", "nowhere", cwd=folder, code=1)

    cleaned = document(cli("clean", "--ideas", "--json", cwd=folder))
    assert cleaned["branches"] == 12 - sum(idea["verdict"] == "kept" for idea in results["ideas"])
    assert document(cli("verify", "--json", cwd=folder))["ok"]


def test_json_errors_and_remedies(cli: Cli, make_lab: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_lab()
    done = cli("run", cwd=folder, code=1)
    assert "not locked" in done.stderr
    assert "remedy: Run `lab lock`" in done.stderr
    outside = tmp_path / "empty"
    outside.mkdir()
    assert "lab init" in cli("status", cwd=outside, code=1).stderr
    assert '"remedy"' in cli("status", "--json", cwd=outside, code=1).stderr


def test_every_fault_of_the_configuration_at_once(cli: Cli, make_lab: Callable[..., Path]) -> None:
    folder = make_lab()
    text = (folder / "lab.toml").read_text()
    text = text.replace("timeout =", "timout =", 1).replace('goal    = "minimize"', 'goal = "smallest"')
    (folder / "lab.toml").write_text(text)
    done = cli("check", cwd=folder, code=1)
    assert "timout" in done.stdout and "'timeout'" in done.stdout.replace('"', "'")
    assert "smallest" in done.stdout
    assert done.stdout.count("lab.toml:") >= 2


def test_no_repository_and_no_commit(cli: Cli, make_lab: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_lab()
    bare = tmp_path / "no-repository"
    bare.mkdir()
    for name in ("lab.toml", "candidate.py", "point.json"):
        (bare / name).write_text((folder / name).read_text())
    assert "git init" in cli("lock", cwd=bare, code=1).stderr
    git(bare, "init", "-q")
    assert "no commit yet" in cli("lock", cwd=bare, code=1).stderr


def test_init_makes_a_lab_that_runs(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "fresh"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    written = document(cli("init", "--yes", "--json", "--name", "fresh", cwd=folder))["written"]
    assert any(path.endswith("lab.toml") for path in written)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "A lab")
    cli("lock", cwd=folder)
    assert len(document(cli("run", "-n", "2", "--json", cwd=folder))["ideas"]) == 2
    again = cli("init", "--yes", cwd=folder, code=1)
    assert "lab.toml" in again.stderr


def test_the_lab_can_be_named_from_elsewhere(cli: Cli, make_lab: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_lab()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for path in (str(folder), str(folder / "lab.toml")):
        assert document(cli("status", "--json", "--lab", path, cwd=elsewhere))["lab"] == "rosenbrock"


def test_a_terminal_is_not_driven_by_a_candidate(
    make_lab: Callable[..., Path], cli: Cli, environment: dict[str, str]
) -> None:
    folder = make_lab()
    cli("lock", cwd=folder)
    cli("run", "-n", "1", cwd=folder)
    (folder / "point.json").write_text("\x1b]0;owned\x07")
    git(folder, "commit", "-qam", "An escape")
    raw = cli("diff", "1", "--against", "main", cwd=folder).stdout
    assert "\x1b" in raw, "into a pipe the patch goes as it is"
    shown = on_a_terminal([LAB, "diff", "1", "--against", "main"], folder, environment)
    assert "owned" in shown
    assert "\x1b" not in shown


def on_a_terminal(command: list[str], cwd: Path, environment: dict[str, str]) -> str:
    """What a command writes when its standard output is a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, cwd=cwd, env=environment, stdout=theirs) as process:
        os.close(theirs)
        written = b""
        while True:
            try:
                data = os.read(ours, 65536)
            except OSError:
                break
            if not data:
                break
            written += data
        process.wait()
    os.close(ours)
    return written.decode()


@pytest.mark.parametrize(("option", "value"), [("--target", "nan"), ("--target", "inf"), ("--hours", "inf")])
def test_a_budget_is_a_finite_number(
    cli: Cli, make_lab: Callable[..., Path], option: str, value: str
) -> None:
    assert "must be a finite number" in cli("run", option, value, cwd=make_lab(), code=2).stderr
