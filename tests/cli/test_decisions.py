"""A noisy lab from the terminal: its noise, an inconclusive idea that goes on, a confirmed champion."""

import json
import sqlite3
from pathlib import Path

from tests.conftest import git
from tests.program import Cli, document

TRAIN = """
import json, os, random
from pathlib import Path
x = json.loads(Path("point.json").read_text())["x"]
luck = random.Random(f"{os.environ['LAB_SEED']} {x}").gauss(0, 0.5)
Path(os.environ["LAB_OUTPUTS"], "value.txt").write_text(str(x + luck))
"""
SCORE = """
import json, os
from pathlib import Path
value = float(Path(os.environ["LAB_OUTPUTS"], "value.txt").read_text()[:40])
Path(os.environ["LAB_SCORECARD"]).write_text(json.dumps({"metrics": {"value": value}}))
"""
LAB = """
[lab]
name = "noisy"
[candidate]
paths   = ["point.json"]
command = ["python", "train.py"]
outputs = ["value.txt"]
[scorer]
files   = ["scorer/**"]
command = ["python", "scorer/score.py"]
metric  = "value"
goal    = "maximize"
[strategy]
name = "random"
[search_space]
file = "point.json"
x = { type = "float", low = 7.0, high = 9.0 }
[decision]
max_repeats = 3
tries       = 200
confirm     = 2
"""


def noisy_lab(folder: Path) -> Path:
    (folder / "scorer").mkdir(parents=True)
    for name, text in {"train.py": TRAIN, "scorer/score.py": SCORE, "lab.toml": LAB}.items():
        (folder / name).write_text(text)
    (folder / "point.json").write_text('{"x": 0.0}\n')
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "Start")
    return folder


def test_from_noise_to_a_confirmed_champion(cli: Cli, tmp_path: Path, environment: dict[str, str]) -> None:
    folder = noisy_lab(tmp_path / "repo")
    assert "a standard deviation of" in cli("lock", cwd=folder).stdout
    assert "nothing to confirm" in cli("confirm", cwd=folder, code=1).stderr
    cli("run", "-n", "1", cwd=folder)
    idea = document(cli("results", "--json", cwd=folder))["ideas"][0]
    assert (idea["verdict"], idea["repeats"]) == ("inconclusive", 3)
    assert "not clear after all repeats: difference +" in idea["reason"]

    assert "has 3 repeats already" in cli("rerun", "1", "--repeats", "3", cwd=folder, code=1).stderr
    again = document(cli("rerun", "1", "--repeats", "40", "--json", cwd=folder))["ideas"][0]
    assert (again["verdict"], again["continues"]) == ("kept", 1)
    assert again["repeats"] > 3
    assert again["error_spent"] == idea["error_spent"]
    assert again["interval"][0] > 0
    assert "Only inconclusive ideas go on" in cli("rerun", "2", cwd=folder, code=1).stderr
    assert "went on in idea 2" in cli("rerun", "1", cwd=folder, code=1).stderr

    shown = cli("show", "2", cwd=folder).stdout
    assert "| evidence needed |" in shown and "| 0 | " in shown
    confirmed = document(cli("confirm", "--repeats", "4", "--json", cwd=folder))
    assert len(confirmed["seeds"]) == 4
    assert confirmed["low"] > 0 and "improvement confirmed" in confirmed["sentence"]
    assert "improvement confirmed" in cli("status", cwd=folder).stdout
    assert document(cli("verify", "--json", cwd=folder))["ok"]
    cli("attest", "--output", "champion.json", cwd=folder)
    assert "proved by the ledger" in cli("verify", "champion.json", cwd=folder).stdout

    assert document(cli("sync", "--json", cwd=folder))["failed"] == 0
    home = Path(environment["PREFECT_LAB_HOME"])
    with sqlite3.connect(home / "mlflow" / "mlflow.db") as store:
        found = dict(
            store.execute(
                "select m.key, m.value from latest_metrics m join tags t on t.run_uuid = m.run_uuid "
                "where t.key = 'lab.reason' and t.value like 'rerun of idea 1; better%'"
            )
        )
        runs = store.execute("select count(*) from tags where key = 'lab.kind' and value = 'confirmation'")
        assert runs.fetchone()[0] >= 1
    assert found["repeats"] == again["repeats"]
    assert found["difference_low"] == again["interval"][0]
    charts = [path for path in (home / "mlflow").rglob("comparison.svg")]
    assert any("0002 kept" in path.read_text() for path in charts)
    with sqlite3.connect(home / "prefect" / "prefect.db") as api:
        reports = api.execute("select data from artifact where key = 'noisy-idea-0002'").fetchall()
    assert any("data:image/svg+xml;base64," in json.dumps(report) for report in reports)


def test_a_guard_of_a_metric_that_nobody_writes(cli: Cli, tmp_path: Path) -> None:
    folder = noisy_lab(tmp_path / "repo")
    text = (folder / "lab.toml").read_text() + "guards = { latency = { at_most = 5 } }\n"
    (folder / "lab.toml").write_text(text)
    done = cli("check", cwd=folder, code=1)
    assert "FAIL  decision: [decision] looks at the metric 'latency'" in done.stdout
    assert "value" in done.stdout and "Correct the name" in done.stdout
