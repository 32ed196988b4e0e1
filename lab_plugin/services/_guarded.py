"""One run of a service's command, from the lab's side."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lab_plugin.errors import SandboxUnavailable
from lab_plugin.services._processes import end_marked, family

_GUARDIAN = Path(__file__).with_name("guardian.py")


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a guardian is told to run; see `guardian.Task`."""

    command: Sequence[str]
    ready: Sequence[str]
    directory: str
    environment: dict[str, str]
    log: str
    log_bytes: int
    grace: float
    record: str


class Guarded:
    """A running service and its guardian. Made by `start`; `end` must follow.

    Attributes:
        over: Done with one phrase when the service ended, or its guardian did.
    """

    def __init__(self, process: subprocess.Popen[bytes], mark: str) -> None:
        self._process = process
        self._mark = mark
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self._listening: asyncio.Task[None]
        self._ending: asyncio.Task[None] | None = None
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._count = 0
        self._left: list[int] | None = None
        self.over: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @classmethod
    async def start(cls, task: Task, lock: int, mark: str) -> Guarded:
        """Start a guardian and, below it, the command.

        Args:
            task: What to run.
            lock: Descriptor of the service's lock; the guardian holds a copy.
            mark: The variable, `NAME=value`, that all processes of the service have.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", str(_GUARDIAN)),
                    *(str(theirs.fileno()), str(lock), str(os.getpid())),
                ],
                pass_fds=(theirs.fileno(), lock),
                env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        guarded = cls(process, mark)
        try:
            guarded._reader, guarded._writer = await asyncio.open_unix_connection(sock=ours)
        except BaseException:
            # The guardian starts nothing then.
            ours.close()
            raise
        guarded._listening = asyncio.create_task(guarded._listen())
        guarded._send(json.dumps(asdict(task)).encode())
        return guarded

    def processes(self) -> list[int]:
        """All processes of the service, its guardian first."""
        return family(self._process.pid)

    async def is_alive(self) -> bool:
        """Whether the command runs at this moment."""
        return await self._ask(None) is not None

    async def probe(self, seconds: float) -> str:
        """Run the readiness command once.

        Args:
            seconds: After which it is killed.

        Returns:
            What is wrong; empty when it exited with 0.
        """
        answer = await self._ask(seconds)
        if answer is None:
            return "the service ended"
        if answer["status"] is None:
            return f"the readiness command cannot be executed: {answer['reason']}"
        return (
            "" if answer["status"] == 0 else f"the readiness command ended with {_status(answer['status'])}"
        )

    async def end(self) -> None:
        """End every process of the service. Idempotent; a caller that is cancelled still waits.

        Raises:
            SandboxUnavailable: One cannot be ended.
        """
        if self._ending is None:
            self._ending = asyncio.create_task(self._end())
        cancelled = False
        while not self._ending.done():
            try:
                await asyncio.wait((self._ending,))
            except asyncio.CancelledError:
                cancelled = True
        if cancelled:
            # Looked at, so that nobody complains of an error that no longer matters.
            self._ending.exception()
            raise asyncio.CancelledError
        self._ending.result()

    async def _end(self) -> None:
        # The end of this socket asks the guardian for the end.
        with contextlib.suppress(OSError):
            self._writer.write_eof()
        await self._listening
        self._writer.close()
        await asyncio.to_thread(self._process.wait)
        if self._left is None:
            # The guardian was killed: what the service left is found by its mark.
            await asyncio.to_thread(end_marked, self._mark)
        elif self._left:
            raise SandboxUnavailable(
                f"processes {self._left} of a service cannot be killed", "Look for processes in state D."
            )

    async def _ask(self, seconds: float | None) -> dict[str, Any] | None:
        """The guardian's answer; None when the service is over."""
        if self.over.done():
            return None
        self._count += 1
        number = self._count
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        self._send(json.dumps([number, seconds]).encode())
        try:
            await asyncio.wait((answer, self.over), return_when=asyncio.FIRST_COMPLETED)
            return None if self.over.done() else answer.result()
        finally:
            del self._asked[number]

    def _send(self, line: bytes) -> None:
        self._writer.write(line + b"\n")

    async def _listen(self) -> None:
        try:
            while line := await self._reader.readline():
                self._hear(json.loads(line))
        except OSError:
            pass
        self._note("its guardian was killed")

    def _hear(self, message: dict[str, Any]) -> None:
        match message["event"]:
            case "not_started":
                self._note(f"it cannot be executed: {message['reason']}")
            case "ended":
                self._note(_status(message["status"]))
            case "gone":
                self._left = message["left"]
                self._note("it was ended")
            case "answer":
                # Who asked may have been cancelled meanwhile.
                if (asked := self._asked.get(message["number"])) is not None and not asked.done():
                    asked.set_result(message)

    def _note(self, what: str) -> None:
        if not self.over.done():
            self.over.set_result(what)


def _status(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit status {code}"
