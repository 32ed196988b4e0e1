"""Real services: small servers of this machine's Python, on free ports."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab_plugin.config import Service
from lab_plugin.sandbox import Job, Limits, Role
from lab_plugin.services import Place, Services
from tests.ports import free_port

# Answers every HTTP request with its process id, a count of requests, and what it was asked for.
SERVER = """
import http.server, itertools, os, sys, time

class Handler(http.server.BaseHTTPRequestHandler):
    numbers = itertools.count(1)
    def do_GET(self):
        # Two may ask at once.
        number = next(Handler.numbers)
        if self.path == "/die":
            print("asked to die", flush=True)
            dying = os.getpid()
            if os.fork():
                os._exit(7)
            # It holds the sockets: that they are gone is seen only once the service is dead.
            while os.getppid() == dying:
                time.sleep(0.01)
            os._exit(0)
        well = self.path != "/health" or os.path.exists("healthy")
        body = f"{os.getpid()} {number} {self.path}".encode()
        self.send_response(200 if well else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments):
        print(*arguments, flush=True)

print("serving", os.environ.get("TOLD", "nothing"), flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def parent(pid: int) -> int:
    """Of a process; 0 for one that has ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def wait_until(reached: Callable[[], Any], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@dataclass
class Host:
    """A lab's folder and its state, and what runs of it."""

    folder: Path
    state: Path
    mark: str
    made: list[Services] = field(default_factory=list)

    @property
    def place(self) -> Place:
        return Place(
            directory=self.folder,
            state=self.state,
            redact=lambda text: text.replace("hunter2", "[redacted]"),
            environment={**os.environ, "TOLD": self.mark},
            log_bytes=64 << 10,
            grace=0.5,
        )

    def service(self, code: str = SERVER, port: int = 0, **settings: Any) -> Service:
        """A service whose processes all carry the mark in their command lines."""
        port = port or free_port()
        words = ("python", "-c", code, str(port), self.mark)
        return Service.model_validate({"command": words, "port": port, "timeout": 30, **settings})

    def services(self, **tables: Service) -> Services:
        made = Services(tables, self.place)
        self.made.append(made)
        return made

    def alive(self) -> list[int]:
        """Processes, anywhere on this machine, that carry the mark."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if self.mark.encode() in (path / "cmdline").read_bytes() and int(path.name) != os.getpid():
                    found.append(int(path.name))
            except OSError:
                continue
        return found

    def log(self, name: str = "emulator") -> str:
        """All that is kept: the newest output may have begun a new file."""
        files = sorted(self.state.glob(f"{name}.log*"), reverse=True)
        return "".join(path.read_text(errors="replace") for path in files)


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    folder = tmp_path / "lab"
    folder.mkdir()
    host = Host(folder, tmp_path / "state", f"mark{os.urandom(8).hex()}")
    yield host
    for services in host.made:
        await services.close()
    assert host.alive() == []


def ask(port: int, path: str = "/") -> str:
    """What a program inside runs to ask a service, for `python -c`."""
    return (
        "import urllib.request\n"
        f"with urllib.request.urlopen('http://127.0.0.1:{port}{path}', timeout=20) as answer:\n"
        "    print(answer.read().decode())\n"
    )


def job(tmp_path: Path, code: str, role: Role = "candidate", **changes: Any) -> Job:
    tmp_path.chmod(0o755)
    workspace = tmp_path / "workspace"
    workspace.mkdir(exist_ok=True)
    destination = tmp_path / f"destination-{os.urandom(4).hex()}"
    destination.mkdir()
    settings: dict[str, Any] = {
        "name": "program",
        "role": role,
        "command": ("python", "-I", "-S", "-c", code),
        "workspace": workspace,
        "destination": destination,
        "limits": Limits(wall_seconds=60),
    }
    return Job(**{**settings, **changes})
