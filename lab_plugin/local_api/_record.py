"""`api.json`: which process serves the API of a folder, and where."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from lab_plugin.whole_file import write_whole

_NAME = "api.json"
_LIMIT = 4096


@dataclass(frozen=True)
class ApiRecord:
    """One server process.

    Attributes:
        pid: Its process id.
        started: When the process started, in clock ticks since boot; tells it from a later one of that id.
        port: Where it listens; 0 until it does.
        version: Prefect's version in it; empty until it listens.
    """

    pid: int
    started: int
    port: int = 0
    version: str = ""

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return process_start(self.pid) == self.started

    def save(self, home: Path) -> None:
        """Replace the folder's record."""
        write_whole(home / _NAME, json.dumps(asdict(self)).encode("ascii"))


def process_start(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None when there is none, or only its corpse."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name in parentheses may hold spaces and parentheses itself.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def load(home: Path) -> ApiRecord | None:
    """The folder's record; None when there is none or it is damaged, which both mean "start one"."""
    try:
        with open(home / _NAME, encoding="ascii") as file:
            fields = json.loads(file.read(_LIMIT))
        record = ApiRecord(
            int(fields["pid"]), int(fields["started"]), int(fields["port"]), str(fields["version"])
        )
    except (OSError, ValueError, TypeError, KeyError, OverflowError):
        return None
    return record if record.pid > 0 and 0 <= record.port < 65536 else None


def last_port(home: Path) -> int | None:
    """The port of the folder's last server, dead or alive."""
    record = load(home)
    return record.port or None if record else None


def remove(home: Path, pid: int) -> None:
    """Remove the record if it is this process's."""
    record = load(home)
    if record and record.pid == pid:
        (home / _NAME).unlink(missing_ok=True)
