"""Keeps one program running: started, waited for, started again when it dies, ended with all it started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from lab_plugin.errors import LabError, UpError
from lab_plugin.services import MARK, STARTED, Guarded, InUse, Task, record_path, tail, take
from lab_plugin.up._program import Program

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
# Who ran this long has recovered from whatever it was.
_WELL_SECONDS = 60.0
_PACE = 0.2
_STAND_BY_SECONDS = 1.0
_GRACE_SECONDS = 10.0
_LOG_BYTES = 16 << 20
_SAID_BYTES = 256 << 10


class Keeper:
    """Runs a program until it is cancelled.

    Only one `lab up` of a user runs a program of a name; another one's uses it, and takes over when it ends.

    Args:
        program: What to run.
        folder: For logs, locks and records.
        say: Told what happens, for the user's eyes.

    Attributes:
        ready: Done when the program can be used for the first time: True where this keeper runs it, False
            where another `lab up` does. Carries what went wrong, where it ended before.
    """

    def __init__(self, program: Program, folder: Path, say: Callable[[str], None]) -> None:
        self.program = program
        self.log = folder / f"{program.name}.log"
        self._folder = folder
        self._say = say
        self.ready: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def keep(self) -> None:
        """Run it for ever; cancelled, it returns once nothing of the program is left.

        Raises:
            LabError: It cannot be started at all.
        """
        try:
            await self._keep()
        except LabError as error:
            if not self.ready.done():
                self.ready.set_exception(error)
            raise

    async def _keep(self) -> None:
        lock, mark = await self._seat()
        try:
            await self._run_on(lock, mark)
        finally:
            record_path(self._folder, self.program.name).unlink(missing_ok=True)
            os.close(lock)

    async def _run_on(self, lock: int, mark: str) -> None:
        """Run it again and again; the seat is held in between, so that nobody else takes over meanwhile."""
        pause = _FIRST_PAUSE
        while True:
            began = time.monotonic()
            try:
                reason = await self._run_once(lock, mark)
                if not self.ready.done():
                    raise self._error(reason)
            except LabError as error:
                if not self.ready.done():
                    raise
                reason = error.message
            pause = _FIRST_PAUSE if time.monotonic() - began > _WELL_SECONDS else pause
            self._say(f"it ended ({reason}) and is started again in {pause:g} s")
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _seat(self) -> tuple[int, str]:
        """The program's lock, and what marks its processes; waits while another `lab up` has it."""
        told = False
        while True:
            try:
                lock, record = await take(self._folder, self.program.name)
            except InUse:
                if not told and await self.program.is_ready():
                    self._say(f"{self.program.where()} (of another `lab up`, which is used)")
                    told = True
                    self._tell_ready(own=False)
                await asyncio.sleep(_STAND_BY_SECONDS)
            else:
                return lock, record.mark

    async def _run_once(self, lock: int, mark: str) -> str:
        """Run it to its end; returns how it ended."""
        launch = self.program.launch()
        task = Task(
            command=launch.command,
            ready=(),
            directory=str(self._folder),
            environment={**launch.environment, MARK: mark},
            log=str(self.log),
            log_bytes=_LOG_BYTES,
            grace=_GRACE_SECONDS,
            # The record is this keeper's as long as it has the seat; the guardian removes none.
            record="",
        )
        guarded = await Guarded.start(task, lock, f"{MARK}={mark}")
        try:
            await self._until_ready(guarded)
            return await asyncio.shield(guarded.over)
        finally:
            await guarded.end()

    async def _until_ready(self, guarded: Guarded) -> None:
        deadline = time.monotonic() + self.program.ready_seconds
        while not guarded.over.done():
            if await self.program.is_ready():
                self._say(self.program.where())
                self._tell_ready(own=True)
                return
            if time.monotonic() > deadline:
                self._say(f"it does not answer after {self.program.ready_seconds:g} s; see {self.log}")
                deadline = float("inf")
                if not self.ready.done():
                    self.ready.set_exception(self._error("it does not answer"))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PACE):
                    await asyncio.shield(guarded.over)

    def _tell_ready(self, *, own: bool) -> None:
        if not self.ready.done():
            self.ready.set_result(own)

    def _error(self, reason: str) -> LabError:
        said = tail(self.log, lambda text: text)
        return UpError(
            f"{self.program.name} cannot be started: {reason}.{said and f' It said:{said}'}",
            self.program.remedy(self.log, _end_of(self.log)),
        )


def _end_of(log: Path) -> str:
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - _SAID_BYTES))
            said = stream.read(_SAID_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
    return said.rpartition(STARTED)[2]
