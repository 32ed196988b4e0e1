"""`kill -9` while a question to a served candidate is open: nothing is left, and `lab run` goes on."""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab_plugin.lab import Lab
from lab_plugin.scratch import short_parent
from tests.cli.test_crashes import assert_whole, start, strays, subreaper
from tests.conftest import git
from tests.program import Cli

__all__ = ["subreaper"]

# It says that it was asked, and takes its time over the answer.
SLOW = """
import time


def act(state):
    print("ASKED", flush=True)
    time.sleep(0.5)
    return 1
"""
ONE_QUESTION = """
import json, os
from pathlib import Path
from lab_candidate import call
assert call("act", {}) == 1
Path(os.environ["LAB_SCORECARD"]).write_text(json.dumps({"metrics": {"steps": 1.0}}))
"""


@pytest.fixture
def sockets() -> Iterator[Path]:
    """A folder for one campaign's sockets, whose paths must be short."""
    with tempfile.TemporaryDirectory(prefix="t") as folder:
        yield Path(folder)


def wait_for_a_question(trials: Path) -> None:
    deadline = time.monotonic() + 120
    while not any(asked(log) for log in trials.rglob("candidate/stdout.log")):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def asked(log: Path) -> bool:
    try:
        return log.read_bytes().endswith(b"ASKED\n")
    except FileNotFoundError:
        # Its trial has just ended.
        return False


def test_killing_the_campaign_while_a_question_is_open(
    cli: Cli,
    make_lab: Callable[..., Path],
    environment: dict[str, str],
    sockets: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment["TMPDIR"] = str(sockets)
    monkeypatch.setattr(tempfile, "tempdir", str(sockets))
    monkeypatch.setenv("PREFECT_LAB_HOME", environment["PREFECT_LAB_HOME"])
    folder = make_lab("balance", {'answer_timeout = "1s"': 'answer_timeout = "10s"'})
    (folder / "policy.py").write_text(SLOW)
    (folder / "scorer" / "score.py").write_text(ONE_QUESTION)
    git(folder, "commit", "-qam", "Take a moment")
    cli("lock", cwd=folder)
    lab = Lab.open(folder)
    trials, open_prefix = lab.folder / "trials", lab.open_prefix
    lab.close()

    process = start(folder, environment)
    wait_for_a_question(trials)
    assert strays()
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 20
    while strays() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert strays() == []
    assert git(folder, "for-each-ref", f"{open_prefix}**"), "an idea is left open"
    assert list(short_parent().glob("scratch-*"))

    cli("run", cwd=folder)
    assert_whole(folder, environment)
    assert list(short_parent().glob("scratch-*")) == []
