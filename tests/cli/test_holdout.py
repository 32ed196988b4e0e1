"""The hold-out in the terminal: what its owner reads of it."""

from collections.abc import Callable
from pathlib import Path

from tests.conftest import git
from tests.program import Cli, document

X = '{ type = "float", low = -2.0, high = 2.0 }'
Y = '{ type = "float", low = -1.0, high = 3.0 }'
SEALED = """
[scorer.holdout]
files   = ["sealed/**"]
command = ["python", "-I", "-S", "sealed/score.py"]
looks   = 5
"""


def test_what_the_owner_is_told(cli: Cli, make_lab: Callable[..., Path]) -> None:
    # The first idea is a keep, whichever it is.
    folder = make_lab(
        replace={
            X: '{ type = "categorical", choices = [0.9, 1.0] }',
            Y: '{ type = "int", low = 1, high = 1 }',
        }
    )
    (folder / "lab.toml").write_text((folder / "lab.toml").read_text() + SEALED)
    (folder / "sealed").mkdir()
    text = (folder / "scorer" / "score.py").read_text()
    (folder / "sealed" / "score.py").write_text(text.replace("(1 - x) ** 2", "1 + (1 - x) ** 2"))
    (folder / "sealed" / "rows.csv").write_text((folder / "candidate.py").read_text())
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Seal")
    checks = {check["what"]: check for check in document(cli("check", "--json", cwd=folder))["checks"]}
    assert checks["hold-out"]["ok"] and "has the content of candidate.py" in checks["hold-out"]["detail"]
    locked = document(cli("lock", "--json", cwd=folder))
    assert (locked["value"], locked["holdout"]["value"], locked["holdout"]["gap"]) == (12.5, 13.5, -1.0)
    assert locked["warnings"] and locked["changes"] == []

    done = cli("run", "-n", "1", cwd=folder)
    ideas = document(cli("results", "--json", cwd=folder))["ideas"]
    kept = [idea for idea in ideas if idea["verdict"] == "kept"]
    assert kept and all(idea["holdout"]["outcome"] == "passed" for idea in kept)
    status = document(cli("status", "--json", cwd=folder))["holdout"]
    assert status["looks"] == len(kept) and status["looks_left"] == 5 - len(kept)
    assert abs(status["gap"] + 1.0) < 1e-9
    assert "Hold-out   champion" in done.stdout
    shown = cli("show", str(kept[-1]["number"]), cwd=folder).stdout
    assert "| hold-out guard | passed |" in shown

    (folder / "sealed" / "rows.csv").write_text("anything else\n")
    refused = cli("lock", cwd=folder, code=1)
    assert "hold-out file changed: sealed/rows.csv" in refused.stderr
    again = document(cli("lock", "--json", "--reason", "other rows", cwd=folder))
    assert (again["epoch"], again["changes"]) == (2, ["hold-out file changed: sealed/rows.csv"])
    assert document(cli("status", "--json", cwd=folder))["holdout"]["looks"] == 0
