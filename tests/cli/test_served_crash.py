"""`kill -9` while a question to a served candidate is open: nothing is left, and `lab run` goes on."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab_plugin.lab import Lab
from lab_plugin.scratch import short_parent
from tests.cli.test_crashes import assert_whole, finish, start, strays, subreaper
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


def stop_at_a_question(process: subprocess.Popen[str], is_open: Callable[[], bool]) -> None:
    """Stop the campaign while a question is open: it does not go on from there."""
    deadline = time.monotonic() + 120
    while True:
        process.send_signal(signal.SIGSTOP)
        assert os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        assert process.poll() is None, process.communicate()
        if is_open():
            return
        process.send_signal(signal.SIGCONT)
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

    def is_open() -> bool:
        return (
            any(asked(log) for log in trials.rglob("candidate/stdout.log"))
            and bool(strays())
            and bool(git(folder, "for-each-ref", f"{open_prefix}**"))
            and any(short_parent().glob("scratch-*"))
        )

    stop_at_a_question(process, is_open)
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 20
    while strays() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert strays() == []
    assert git(folder, "for-each-ref", f"{open_prefix}**"), "an idea is left open"
    assert list(short_parent().glob("scratch-*"))

    assert_whole(folder, environment, finish(cli, folder))
    assert list(short_parent().glob("scratch-*")) == []
