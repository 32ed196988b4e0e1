"""What a scorer's contract costs: a question to a served candidate, and two processes instead of one."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from lab_plugin.config import parse
from lab_plugin.redaction import Redactor
from lab_plugin.sandbox import Sandbox, open_sandbox
from lab_plugin.scorer import Score, Trial, TrialRunner
from tests.benchmarks._report import figure

QUESTIONS = 2_000
TRIALS = 7
_LAB = """
[lab]
name = "bench"
[strategy]
name = "command"
command = ["true"]
[candidate]
paths = ["model.py"]
{candidate}
[scorer]
files = ["scorer/**"]
command = ["python", "scorer/score.py"]
metric = "value"
goal = "maximize"
{scorer}
"""
_ECHO = "def echo(x): return x\n"
_ASK = f"""
import json, os, time
from lab_candidate import call
call("echo", 0)
began = time.perf_counter()
for _ in range({QUESTIONS}):
    call("echo", [0.5] * 8)
seconds = (time.perf_counter() - began) / {QUESTIONS}
json.dump({{"metrics": {{"value": seconds}}}}, open(os.environ["LAB_SCORECARD"], "w"))
"""
_FIT = """
import numpy as np
numbers = np.random.default_rng(0)
train, test = numbers.normal(size=(2_000, 40)), numbers.normal(size=(500, 40))
weights = np.arange(40.0)
predictions = test @ np.linalg.lstsq(train, train @ weights, rcond=None)[0]
"""
_SAVE = 'import os\nnp.save(os.environ["LAB_OUTPUTS"] + "/predictions.npy", predictions)\n'
_JUDGE = """
import json, os
import numpy as np
labels = np.load("scorer/labels.npy")
predictions = FROM
value = float(np.abs(predictions - labels).max() < 1e-6)
json.dump({"metrics": {"value": value}}, open(os.environ["LAB_SCORECARD"], "w"))
"""


def main() -> None:
    asyncio.run(_main())


async def _main() -> None:
    sandbox = open_sandbox("bubblewrap")
    try:
        seconds = await _question(sandbox)
        bare = ("bare socket pair", 1e3 * _echo())
        figure("a question to a served candidate", 1e3 * seconds, "ms", against=bare, target="2")
        await _two_processes(sandbox)
    finally:
        await sandbox.close()


async def _question(sandbox: Sandbox) -> float:
    """Seconds of a question and its answer, as the scorer sees them."""
    with tempfile.TemporaryDirectory(prefix="lab-bench-") as folder:
        runner = _runner(sandbox, Path(folder), 'serve = "model:echo"', 'contract = "served"', _ECHO, _ASK)
        score = await _trial(runner, Path(folder), 0)
    assert score.value is not None, score.reason
    return score.value


def _echo() -> float:
    """Seconds of a round trip between two processes over a bare socket pair."""
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        ours.close()
        while data := theirs.recv(4096):
            theirs.sendall(data)
        os._exit(0)
    theirs.close()
    with ours:
        began = time.perf_counter()
        for _ in range(QUESTIONS):
            ours.sendall(b"x" * 64)
            ours.recv(4096)
        seconds = (time.perf_counter() - began) / QUESTIONS
    os.wait()
    return seconds


async def _two_processes(sandbox: Sandbox) -> None:
    cold = 'command = ["python", "model.py"]\noutputs = ["predictions.npy"]'
    judge = _JUDGE.replace("FROM", 'np.load(os.environ["LAB_OUTPUTS"] + "/predictions.npy")')
    with tempfile.TemporaryDirectory(prefix="lab-bench-") as folder:
        root = Path(folder)
        runner = _runner(sandbox, root, cold, "", _FIT + _SAVE, judge)
        warm = _runner(sandbox, root, f'{cold}\nwarm = ["numpy"]', "", _FIT + _SAVE, judge)
        _save_labels(root)
        naive, both, warmed = [], [], []
        # In turns, so that a busy moment of the machine meets all alike.
        for number in range(TRIALS):
            naive.append(_naive(root))
            both.append(await _timed(runner, root, 2 * number))
            warmed.append(await _timed(warm, root, 2 * number + 1))
    baseline = ("one naive process", 1e3 * median(naive))
    figure("candidate and scorer, numpy", 1e3 * median(both), "ms", against=baseline, target="ratio 2.2")
    figure("the same, with warm numpy", 1e3 * median(warmed[1:]), "ms", against=baseline)


def _save_labels(root: Path) -> None:
    target = root / "snapshot" / "scorer" / "labels.npy"
    code = f"{_FIT}\nnp.save({str(target)!r}, test @ weights)"
    subprocess.run([sys.executable, "-c", code], check=True)
    target.chmod(0o644)


def _naive(root: Path) -> float:
    """Seconds of a harness that imports the candidate and scores it, all in one process."""
    code = _JUDGE.replace("FROM", "__import__('naive').predictions")
    (root / "naive.py").write_text(_FIT)
    environment = {**os.environ, "PYTHONPATH": str(root), "LAB_SCORECARD": str(root / "naive.json")}
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], cwd=root / "snapshot", env=environment, check=True)
    seconds = time.perf_counter() - began
    assert json.loads((root / "naive.json").read_text())["metrics"]["value"] == 1.0
    return seconds


async def _timed(runner: TrialRunner, root: Path, number: int) -> float:
    began = time.perf_counter()
    score = await _trial(runner, root, number)
    assert score.value == 1.0, score.reason
    return time.perf_counter() - began


async def _trial(runner: TrialRunner, root: Path, number: int) -> Score:
    folder = root / f"trial{number}"
    folder.mkdir(mode=0o755)
    trial = Trial(name=f"bench-{number}", idea="0000", workspace=root / "workspace", folder=folder)
    return await runner.evaluate(trial, await runner.execute(trial))


def _runner(sandbox: Sandbox, root: Path, candidate: str, scorer: str, model: str, score: str) -> TrialRunner:
    files = {"workspace/model.py": model, "snapshot/scorer/score.py": score}
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o644)
        for folder in path.parents[: len(Path(name).parents) - 1]:
            folder.chmod(0o755)
    config = parse(_LAB.format(candidate=candidate, scorer=scorer), str(root / "lab.toml"))
    return TrialRunner(config, sandbox, root / "snapshot", ".", Redactor({}, ()))
