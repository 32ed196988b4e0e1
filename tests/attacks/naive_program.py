"""The naive harness: what many systems do, honestly written. Runs in a sandbox of its own, as a program.

It imports the candidate's module into the scorer's process, or reads the files that it left, or runs tests in
its folder, and believes what is printed, written or returned. It keeps one working folder for all trials,
hands its environment on, and takes changes in with git. Afterwards it scores the honest candidate once more.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

WORK, USER = Path("/tmp/work"), Path("/tmp/user")
CANDIDATE, SCORER, OUTPUTS = WORK / "candidate", WORK / "scorer", WORK / "outputs"
CARD = OUTPUTS / "scorecard.json"
PYTHON = WORK / "venv" / "bin" / "python"
MARK = "mark-naive"

SCORE = """
import json, os, sys, time
from array import array
import statistics
from metrics import accuracy

def report(score, seconds):
    text = json.dumps({"accuracy": score, "seconds": seconds})
    if sys.argv[1] == "card":
        with open(os.environ["LAB_SCORECARD"], "w") as file: file.write(text)
    else:
        print(text)

folder = os.path.dirname(os.path.abspath(__file__))
labels_text = open(folder + "/labels.json").read()
labels = json.loads(labels_text)
began = time.perf_counter()
right = []
if sys.argv[1] == "files":
    import numpy as np
    answers = np.load(os.environ["LAB_OUTPUTS"] + "/predictions.npy", allow_pickle=True)
    for answer, label in zip(answers, labels):
        right.append(not abs(float(answer) - label) > 0.5)
else:
    rows = json.load(open(os.environ["LAB_DATA"] + "/rows.json"))
    table = memoryview(array("q", [n for row, label in zip(rows, labels) for n in (*row, label)]))
    import model
    for number in range(len(labels)):
        answer = model.predict(table[3 * number:3 * number + 2])
        right.append(not abs(answer - labels[number]) > 0.5)
score = accuracy(right)
if sys.argv[1] == "numpy":
    import numpy as np
    score = round(float(np.mean(right)), 6)
seconds = time.perf_counter() - began
statistics.mean([1.0])
report(score, seconds)
"""
METRICS = "def accuracy(right):\n    return round(sum(right) / len(right), 6)\n"
TEST = """
import json, os, pytest
import model
rows = json.load(open(os.environ["LAB_DATA"] + "/rows.json"))
labels = json.load(open(os.path.dirname(__file__) + "/labels.json"))

@pytest.mark.parametrize("number", range(len(rows)))
def test_row(number):
    answer = model.predict(rows[number])
    assert type(answer) is int and answer == labels[number]
"""


def lay_out(task: dict) -> dict:
    """Make the working folder, the user's files and sockets; returns the words of attacks."""
    for folder in (CANDIDATE, SCORER, OUTPUTS, WORK / "data", USER):
        folder.mkdir(parents=True)
    labels = json.dumps(task["labels"])
    files = {"naive.py": SCORE, "metrics.py": METRICS, "labels.json": labels, "score.py": "", "test.py": TEST}
    for name, text in files.items():
        (SCORER / name).write_text(text)
    (WORK / "data" / "rows.json").write_text(json.dumps(task["rows"]))
    (SCORER / "labels.npy").write_bytes(bytes.fromhex(task["labels_npy"]))
    (USER / "secret.txt").write_text("CANARY-naive")
    (USER / "worth.txt").write_text("kept")
    make_environment()
    listeners.append(socket.create_server(("127.0.0.1", 0)))
    listeners.append(socket.socket(socket.AF_UNIX))
    listeners[1].bind(str(USER / "socket"))
    listeners[1].listen()
    return {
        "@SECRET_FILE@": str(USER / "secret.txt"),
        "@ELSEWHERE@": str(SCORER / "labels.npy"),
        "@TARGET@": str(USER / "worth.txt"),
        "@PORT@": str(listeners[0].getsockname()[1]),
        "@SOCKET@": str(USER / "socket"),
        "@ABSTRACT@": "naive",
        "@PREFIX@": MARK,
        "@MARK@": MARK,
        "@KEY@": "77",
    }


def make_environment() -> None:
    """A virtual environment in the working folder, as projects have one."""
    packages = WORK / "venv" / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    packages.mkdir(parents=True)
    PYTHON.parent.mkdir()
    PYTHON.symlink_to(os.path.realpath(sys.executable))
    home = os.path.dirname(os.path.realpath(sys.executable))
    (WORK / "venv" / "pyvenv.cfg").write_text(f"home = {home}\n")
    (packages / "rest.pth").write_text("\n".join(path for path in sys.path if path.endswith("-packages")))


def write(files: dict, words: dict, before: dict) -> None:
    """Check an idea out: the files of the one before go, what is in no commit stays."""
    for name in before:
        (CANDIDATE / name).unlink(missing_ok=True)
    for name, text in files.items():
        for word, meaning in words.items():
            text = text.replace(word, meaning)
        path = CANDIDATE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def run(*command: object, cwd: Path = CANDIDATE) -> subprocess.CompletedProcess:
    environment = {
        **os.environ,
        "HOME": str(USER),
        "PYTHONPATH": str(CANDIDATE),
        "LAB_DATA": str(WORK / "data"),
        "LAB_OUTPUTS": str(OUTPUTS),
        "LAB_SCORECARD": str(CARD),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True
    )
    said.append(done.stdout + done.stderr)
    return done


def score(how: str) -> dict:
    """Score what is in the candidate's folder; {} when there is no score."""
    if how == "git":
        for command in (("add", "-A"), ("commit", "-qm", "Idea")):
            run("git", "-c", "user.name=Ada", "-c", "user.email=a@b", *command)
    if how == "tests":
        (CANDIDATE / "tests").mkdir(exist_ok=True)
        shutil.copy(SCORER / "test.py", CANDIDATE / "tests" / "test_model.py")
        shutil.copy(SCORER / "labels.json", CANDIDATE / "tests")
        done = run(PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests")
        passed = done.stdout.rpartition(" passed")[0].rpartition(" ")[2]
        return {"accuracy": 1.0 if done.returncode == 0 else int(passed or 0) / 20}
    if how == "files":
        run(PYTHON, "main.py")
    CARD.unlink(missing_ok=True)
    done = run(PYTHON, SCORER / "naive.py", how)
    if done.returncode != 0:
        return {}
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    text = CARD.read_text() if how == "card" else lines[-1] if lines else "{}"
    return json.loads(text)


def left_behind() -> list[str]:
    """What of the attack is still there."""
    found = [str(path) for top in ("/tmp", "/dev/shm", "/tmp/user") for path in Path(top).glob(MARK + "*")]
    if (USER / "worth.txt").read_text() != "kept":
        found.append("overwritten")
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if MARK.encode() in path.read_bytes():
                found.append("process")
        except OSError:
            pass
    return found


def attempt(how: str) -> dict:
    try:
        return score(how)
    except (OSError, ValueError, RecursionError) as error:
        return {"error": str(error)[:200]}


said: list[str] = []
listeners: list[socket.socket] = []


def main() -> None:
    """Play one attack, then the honest candidate."""
    task = json.loads(Path("task.json").read_text())
    words = lay_out(task)
    how = task["how"]
    write(task["honest"], {}, {})
    if how == "git":
        run("git", "init", "-q", cwd=WORK)
        for command in (("add", "-A"), ("commit", "-qm", "Start")):
            run("git", "-c", "user.name=Ada", "-c", "user.email=a@b", *command, cwd=WORK)
    changed = {**task["honest"], **task["files"]}
    write(changed, words, task["honest"])
    if task["edit"]:
        edit = task["edit"]
        for word, meaning in words.items():
            edit = edit.replace(word, meaning)
        run(PYTHON, "-c", edit)
    first = attempt(how)
    flood = len(said[-1]) if said else 0
    left = left_behind()
    write(task["honest"], {}, changed)
    after = attempt(how)
    text = "".join(part[:1_000_000] for part in said)
    result = {
        "attack": first,
        "after": after,
        "left": left,
        "flood": flood,
        "breach": "BREACH" in text,
        "escape": "\x1b" in text,
    }
    Path(RESULT).write_text(json.dumps(result))


RESULT = os.path.join(os.environ["LAB_OUTPUTS"], "result.json")

if __name__ == "__main__":
    main()
