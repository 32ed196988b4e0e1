"""The lab that is attacked: one task under every contract, with labels that cannot be guessed."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.attacks._victim_programs import (
    ANSWERS,
    CANDIDATE,
    FILES,
    PROBE,
    PROPOSE,
    RUNNER,
    SCHEMA,
    SERVED,
    SUITE,
)

ROWS, RIGHT = 20, 12
HONEST_SCORE = RIGHT / ROWS


_TOML = """
[lab]
name = "victim"

[candidate]
paths   = ["candidate"]
timeout = "{timeout}"
memory  = "300MiB"
disk    = "32MiB"
processes = 64
data    = "data"
{candidate}

[scorer]
contract = "{contract}"
files    = ["scorer/**"]
metric   = "{metric}"
goal     = "maximize"
timeout  = "60s"
memory   = "512MiB"
{scorer}

[strategy]
name    = "command"
command = ["python", "propose.py"]

[budget]
crashes = 1000

[decision]
min_improvement = {enough}

[sandbox]
kind = "{sandbox}"
{image}
"""
_CANDIDATE = {
    "outputs": """command = ["python", "candidate/main.py"]
outputs = ["predictions.npy", "report.json"]
[candidate.schemas]
"predictions.npy" = {{ type = "npy", dtype = "int64", shape = [{rows}] }}
"report.json" = {{ type = "json", schema = "scorer/report.schema.json" }}""",
    "served": 'serve = "candidate.model:predict"',
    "tests": 'serve = "candidate.model:predict"',
    "in_process": 'serve = "candidate.model:predict"',
}
_ANSWER = 'answer_timeout = "10s"\nanswer_bytes = "64KiB"\n'
_SCORER = {
    "outputs": 'command = ["python", "scorer/score.py"]',
    "served": _ANSWER + 'command = ["python", "scorer/score.py"]',
    "tests": _ANSWER + 'tests = ["scorer/tests"]',
    "in_process": 'command = ["python", "scorer/score.py"]\n'
    'probe = "scorer/probe.py"\nanswer_bytes = "64KiB"',
}


def task() -> tuple[list[list[int]], list[int]]:
    """Rows and labels: the honest model is right in exactly `RIGHT` of `ROWS`; dice make the others."""
    dice = random.SystemRandom()
    rows = [[dice.randrange(1000), dice.randrange(1000)] for _ in range(ROWS)]
    labels = [sum(row) % 10 for row in rows]
    for number in dice.sample(range(ROWS), ROWS - RIGHT):
        labels[number] = (labels[number] + dice.randrange(1, 10)) % 10
    return rows, labels


def make_victim(
    folder: Path,
    contract: str,
    sandbox: str,
    steps: Sequence[tuple[dict[str, str], str]],
    *,
    image: str = "",
    timeout: str = "20s",
) -> None:
    """Write the lab, and commit it.

    Args:
        folder: Where; made.
        contract: Of the scorer.
        sandbox: Its kind.
        steps: What idea 1, 2, ... is: files, and a program that edits.
        image: Of the sandbox `docker`.
        timeout: Of the candidate.
    """
    rows, labels = task()
    scorer = _SCORER[contract]
    if contract == "tests" and image:
        scorer = _ANSWER + 'command = ["python", "scorer/suite.py"]'
    files = {f"candidate/{name}": text for name, text in CANDIDATE.items()}
    files |= _scorer_files(contract, rows, labels)
    files |= {
        f"script/{number}.json": json.dumps({"files": written, "edit": edit})
        for number, (written, edit) in enumerate(steps, 1)
    }
    files["data/rows.json"] = json.dumps(rows)
    files["propose.py"] = PROPOSE
    files["lab.toml"] = _TOML.format(
        contract=contract,
        sandbox=sandbox,
        timeout=timeout,
        metric="pass_rate" if contract == "tests" else "accuracy",
        candidate=_CANDIDATE[contract].format(rows=ROWS),
        scorer=scorer,
        # Where an attack may win, its change is not to become what the next ones start from.
        enough=10 if sandbox == "process" else 0,
        image=f'image = "{image}"' if image else "",
    )
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for arguments in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-q", "-m", "Victim")):
        identity = ("-c", "user.name=Ada", "-c", "user.email=ada@localhost", "-c", "commit.gpgSign=false")
        subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def _scorer_files(contract: str, rows: list[list[int]], labels: list[int]) -> dict[str, str]:
    files = {"scorer/labels.json": json.dumps(labels), "scorer/rows.json": json.dumps(rows)}
    match contract:
        case "outputs":
            files["scorer/score.py"] = FILES
            files["scorer/report.schema.json"] = json.dumps(SCHEMA)
        case "served":
            files["scorer/score.py"] = SERVED
        case "tests":
            files["scorer/tests/test_model.py"] = SUITE
            files["scorer/suite.py"] = RUNNER
        case "in_process":
            files["scorer/score.py"] = ANSWERS
            files["scorer/probe.py"] = PROBE.format(rows=rows)
    return files
