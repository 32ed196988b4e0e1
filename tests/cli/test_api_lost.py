"""Another program takes the port of the local API while a campaign runs."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil
import pytest

from lab_plugin.local_api import LocalApi
from lab_plugin.local_api._record import load
from tests.cli.test_crashes import assert_whole, finish, start, wait_for_ideas
from tests.conftest import git
from tests.program import Cli


class _Foreign(BaseHTTPRequestHandler):
    """A program that knows nothing of Prefect."""

    def do_GET(self) -> None:
        self.send_error(404)

    do_POST = do_PATCH = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def take_port(home: Path) -> HTTPServer:
    """Kill the API and listen in its place."""
    while True:
        record = load(home / "prefect")
        if record is None or not record.port or not record.alive:
            continue
        os.kill(record.pid, signal.SIGKILL)
        while psutil.pid_exists(record.pid) and record.alive:
            pass
        try:
            return HTTPServer(("127.0.0.1", record.port), _Foreign)
        except OSError:
            continue


@pytest.fixture
def environment(environment: dict[str, str], tmp_path: Path) -> Iterator[dict[str, str]]:
    """With an API of its own, since the other tests' one would have to move."""
    home = tmp_path / "home"
    yield {**environment, "PREFECT_LAB_HOME": str(home)}
    LocalApi(home / "prefect").stop()


def test_the_campaign_stops_and_the_next_run_goes_on(
    cli: Cli, make_lab: Callable[..., Path], environment: dict[str, str], tmp_path: Path
) -> None:
    folder = make_lab()
    program = folder / "candidate.py"
    program.write_text("import time\ntime.sleep(0.5)\n" + program.read_text())
    git(folder, "commit", "-qam", "Take a moment")
    cli("lock", cwd=folder)
    process = start(folder, environment)
    wait_for_ideas(folder, 1, process)
    foreign = take_port(tmp_path / "home")
    thread = threading.Thread(target=foreign.serve_forever, daemon=True)
    thread.start()
    try:
        _, err = process.communicate(timeout=170)
    finally:
        foreign.shutdown()
        foreign.server_close()
    assert process.returncode == 1
    assert "the Prefect API" in err or "Prefect failed under the campaign" in err, err
    assert "`lab run`" in err or "Run the command again" in err
    assert "Traceback" not in err
    assert_whole(folder, environment, finish(cli, folder))
