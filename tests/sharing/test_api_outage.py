"""A user's own Prefect API that is down for a while under a campaign."""

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.cli.test_crashes import wait_for_ideas
from tests.conftest import git
from tests.fleet.conftest import Server, server
from tests.program import LAB

__all__ = ["server"]


class Line:
    """The way to the API, which can be cut and mended.

    Args:
        port: Of the API.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._accept()

    def cut(self) -> None:
        """Refuse what comes, and end what is there."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._open:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def mend(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._accept()

    def _accept(self) -> None:
        threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def _serve(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                self._open += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    @staticmethod
    def _pass_on(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def line(server: Server) -> Iterator[Line]:
    line = Line(urlsplit(server.url).port or 0)
    yield line
    line.cut()


def test_a_campaign_outlasts_it(
    server: Server, line: Line, make_lab: Callable[..., Path], home: Path
) -> None:
    folder = make_lab()
    program = folder / "candidate.py"
    program.write_text("import time\ntime.sleep(0.3)\n" + program.read_text())
    git(folder, "commit", "-qam", "Take a moment")
    own = {
        **os.environ,
        "PREFECT_LAB_HOME": str(home),
        "PREFECT_API_URL": f"http://127.0.0.1:{line.port}/api",
        "PREFECT_HOME": str(server.home),
    }
    subprocess.run([LAB, "lock"], cwd=folder, env=own, check=True, capture_output=True)
    process = subprocess.Popen(
        [LAB, "run", "-n", "8"],
        cwd=folder,
        env=own,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for_ideas(folder, 2, process)
        line.cut()
        time.sleep(8)
        line.mend()
        output, errors = process.communicate(timeout=240)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert "Ideas      8" in output
