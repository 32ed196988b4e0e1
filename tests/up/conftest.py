"""`lab up` as a user starts it: a process of its own, on free ports, in a state folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.program import LAB

PATIENCE = 280.0


def marked(variable: str, value: Path) -> list[int]:
    """All processes with a variable in their environment, but for this one."""
    entry = f"{variable}={value}".encode()
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            with suppress(OSError):
                if entry in Path(f"/proc/{name}/environ").read_bytes().split(b"\0"):
                    found.append(int(name))
    return found


def wait_until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.1)
    return found


@dataclass
class Up:
    """A `lab up --json` that is ready.

    Attributes:
        process: Itself.
        addresses: What it printed.
        log: What it and its programs said.
    """

    process: subprocess.Popen[str]
    addresses: dict[str, Any]
    log: Path

    def said(self) -> str:
        return self.log.read_text()

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@pytest.fixture
def up_home(shared_home: Path, home: Path) -> Iterator[Path]:
    """A state folder with stores that are made already; every process of it is ended afterwards."""
    (home / "prefect").mkdir(mode=0o700)
    with (
        closing(sqlite3.connect(shared_home / "prefect" / "prefect.db")) as source,
        closing(sqlite3.connect(home / "prefect" / "prefect.db")) as target,
    ):
        source.backup(target)
    shutil.copytree(shared_home / "prefect" / "ui", home / "prefect" / "ui")
    yield home
    for pid in marked("PREFECT_LAB_HOME", home):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def up(up_home: Path, tmp_path: Path) -> Iterator[Callable[..., Up]]:
    """Start `lab up` and wait until it is ready."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, cwd: Path = tmp_path) -> Up:
        log = tmp_path / f"up-{len(started)}.log"
        with log.open("w") as stream:
            process = subprocess.Popen(
                [LAB, "up", "--json", *arguments],
                cwd=cwd,
                env={**os.environ, "PREFECT_LAB_HOME": str(up_home), "HOME": str(tmp_path)},
                stdout=subprocess.PIPE,
                stderr=stream,
                text=True,
            )
        started.append(process)
        watchdog = threading.Timer(PATIENCE, process.kill)
        watchdog.start()
        assert process.stdout is not None
        line = process.stdout.readline()
        watchdog.cancel()
        assert line, log.read_text()
        return Up(process, json.loads(line), log)

    yield start
    for process in started:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
