"""The MLflow mirror in a process of its own: it takes neither the campaign's interpreter nor its core."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

from lab_plugin.block_settings import BlockSettings
from lab_plugin.lab import Lab
from lab_plugin.mirroring import make_mirror

_CATCH_UP_SECONDS = 60.0
_NICENESS = 10
_SOURCE = "lab_plugin.tracking"
_log = logging.getLogger(_SOURCE)


@asynccontextmanager
async def background_mirror(
    folder: Path, blocks: BlockSettings | None = None
) -> AsyncIterator[Callable[[], None]]:
    """Mirror a lab's ledger in the background; leaving waits until MLflow has caught up, for a while.

    Args:
        folder: The lab's.
        blocks: What its Prefect blocks say; None for what they said when they were last looked up.

    Yields:
        A function that tells the mirror that the ledger has grown; it costs microseconds and never raises.
    """
    process = _start(folder, blocks or BlockSettings())
    listener = threading.Thread(target=_relay, args=(process.stdout,), name="lab-mirror", daemon=True)
    listener.start()
    try:
        yield lambda: _tell(process)
    finally:
        await asyncio.to_thread(_end, process, listener)


def _start(folder: Path, blocks: BlockSettings) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        # Ctrl-C is the campaign's; the mirror ends when its input does, in whatever way the campaign went.
        start_new_session=True,
    )
    assert process.stdin is not None
    # Through the pipe, since others can read a command line, and programs inherit an environment.
    with contextlib.suppress(OSError):
        process.stdin.write(blocks.to_json().encode() + b"\n")
    return process


def _tell(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    # A mirror that was killed is made up for by the next one; a full pipe has told it already.
    with contextlib.suppress(OSError, ValueError):
        os.set_blocking(process.stdin.fileno(), False)
        process.stdin.write(b"\n")


def _end(process: subprocess.Popen[bytes], listener: threading.Thread) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(_CATCH_UP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    listener.join()
    if process.returncode:
        _log.warning(
            "The MLflow mirror ended with status %d; `lab sync` writes what is missing.", process.returncode
        )


def _relay(lines: IO[bytes]) -> None:
    """Log here what the mirror logs there."""
    with lines:
        for line in lines:
            level, message = json.loads(line)
            _log.log(level, "%s", message)


class _ToParent(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        print(json.dumps([record.levelno, record.getMessage()]), flush=True)


def main(folder: Path) -> None:
    """Mirror a lab: the first line of standard input is what its Prefect blocks say, each further one says
    that the ledger grew, and its end that no more comes.

    Args:
        folder: The lab's.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICENESS)
    logger = logging.getLogger(_SOURCE)
    logger.addHandler(_ToParent())
    logger.setLevel(logging.INFO)
    blocks = BlockSettings.from_json(sys.stdin.buffer.readline().decode())
    lab = Lab.open(folder, blocks if blocks.settings else None)
    mirror = make_mirror(lab)
    mirror.start()
    for _ in sys.stdin.buffer:
        mirror.notify()
    mirror.close(_CATCH_UP_SECONDS)
    lab.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
