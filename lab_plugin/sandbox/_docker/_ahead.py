"""Containers made ahead: fresh ones that wait for a job like one before. None ever holds two jobs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Condition
from typing import NamedTuple

from lab_plugin.errors import LabError
from lab_plugin.sandbox._docker import _config
from lab_plugin.sandbox._docker._alike import Alike, prepare
from lab_plugin.sandbox._docker._binds import INPUTS, input_path, inputs
from lab_plugin.sandbox._docker._bundle import program
from lab_plugin.sandbox._docker._container import Container
from lab_plugin.sandbox._docker._engine import Engine, Gone
from lab_plugin.sandbox._docker._small import copy_small
from lab_plugin.sandbox._docker.inside.setup import Shown
from lab_plugin.scratch import scratch, short_parent

MOST = 8
# Well before the first process has waited for too long, and ends by itself.
OLDEST_SECONDS = 0.75 * _config.STANDBY_SECONDS
# Beside such a job, a container's start is nothing.
_LONG_SECONDS = 10.0
_CALM_SECONDS = 1.0
_MOST_KEYS = 256
_MAKERS = 2
_MOST_FAULTS = 3
_FAILURES = (LabError, Gone, OSError)


class Standby:
    """One container that waits.

    Args:
        engine: Where it is to be made.
        alike: What for.

    Raises:
        LabError, Gone, OSError: It cannot be made.
    """

    def __init__(self, engine: Engine, alike: Alike) -> None:
        config = alike.config
        self._folder: Path | None = None
        with ExitStack() as stack:
            if alike.small:
                self._folder = stack.enter_context(scratch(short_parent())) / "inputs"
                prepare(alike, self._folder)
                mounts = [*alike.mounts, inputs(self._folder, engine.version)]
                config = {**config, "HostConfig": {**config["HostConfig"], "Mounts": mounts}}
            kept = stack.pop_all()
        self.container = Container(engine, config, _config.name_ahead(), kept)
        self._made_at = time.monotonic()
        try:
            self.container.say(program(_config.STANDBY_SECONDS))
        except OSError:
            self.discard()
            raise

    @property
    def is_fit(self) -> bool:
        """It is young, and alive as far as is known."""
        return time.monotonic() - self._made_at < OLDEST_SECONDS and self.container.is_silent

    def give(self, alike: Alike) -> list[Shown]:
        """Show it a job's small inputs.

        Returns:
            What its program must find: path inside, device and inode on the host.

        Raises:
            OSError: An input cannot be copied.
        """
        if self._folder is None:
            return alike.shown()
        for variable, path in alike.small.items():
            place = Path(input_path(variable, path)).relative_to(INPUTS)
            copy_small(path, self._folder / place)
        status = self._folder.stat()
        return [*alike.shown(), (INPUTS, status.st_dev, status.st_ino)]

    def discard(self) -> None:
        """End it unused; where that fails, the next start removes it."""
        with suppress(*_FAILURES):
            self.container.end(orderly=False)


class Taken(NamedTuple):
    """A container that now is a job's.

    Attributes:
        container: It.
        shown: See `Standby.give`.
    """

    container: Container
    shown: list[Shown]


class Ahead:
    """The containers that wait, at most `MOST` in all and one for each kind of job.

    One is made when a job has ended that wanted what an earlier one wanted shortly before. Safe for
    several threads.

    Args:
        engine: Where.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._changed = Condition()
        # Oldest first, each of them.
        self._standing: dict[str, Standby] = {}
        self._wanted: dict[str, tuple[float, float]] = {}
        self._queued: set[str] = set()
        # Whether a job waits for it already.
        self._making: dict[str, bool] = {}
        self._running = 0
        self._faults = 0
        self._makers: ThreadPoolExecutor | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """For as long as a job lasts."""
        with self._changed:
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1

    def take(self, alike: Alike, name: str, *, measured: bool) -> Taken | None:
        """The container that waits for such a job, renamed; None where there is none that can be used.

        Args:
            alike: The job's, which is `running`.
            name: The job's container's.
            measured: What its program takes counts: where no other job runs, it is not to share the
                processors with a container that is being made.
        """
        with self._changed:
            if measured and self._running == 1:
                self._changed.wait_for(lambda: not (self._making or self._queued), _CALM_SECONDS)
        try:
            standby = self._pop(alike.key())
        except OSError:
            return None
        if standby is None:
            return None
        shown = None
        if standby.is_fit:
            with suppress(OSError):
                shown = standby.give(alike)
        if shown is None:
            self.judge(good=False)
            self._discard([standby])
            return None
        # The name is for people: without it, it is the job's all the same.
        with suppress(*_FAILURES):
            self._engine.rename(standby.container.identity, name)
        return Taken(standby.container, shown)

    def ended(self, alike: Alike, seconds: float) -> None:
        """Make one for the next such job, in the background, if there was such a job shortly before.

        Args:
            alike: Of a job that has ended.
            seconds: How long it took.
        """
        if seconds > _LONG_SECONDS or self._faults >= _MOST_FAULTS:
            return
        try:
            key = alike.key()
        except OSError:
            return
        with self._changed:
            before, last = self._wanted.get(key, (0.0, 0.0))
            known = key in self._standing or key in self._making or key in self._queued
            if before and last - before < OLDEST_SECONDS and not known:
                self._queued.add(key)
                self._pool().submit(self._make, alike, key)

    def judge(self, *, good: bool) -> None:
        """Remember whether one was of use: after some in a row that were not, no more are made."""
        with self._changed:
            self._faults = 0 if good else self._faults + 1

    def close(self) -> None:
        """End all of them."""
        with self._changed:
            makers, self._makers = self._makers, None
            self._queued.clear()
            self._faults = 0
        if makers is not None:
            makers.shutdown()
        with self._changed:
            standing = list(self._standing.values())
            self._standing.clear()
        _discard_all(standing)

    def _pop(self, key: str) -> Standby | None:
        with self._changed:
            self._wanted[key] = (self._wanted.pop(key, (0.0, 0.0))[1], time.monotonic())
            if len(self._wanted) > _MOST_KEYS:
                del self._wanted[next(iter(self._wanted))]
            self._queued.discard(key)
            if self._making.get(key) is False:
                # Begun before this job's own could be.
                self._making[key] = True
                self._changed.wait_for(lambda: key not in self._making)
            return self._standing.pop(key, None)

    def _make(self, alike: Alike, key: str) -> None:
        with self._changed:
            if key not in self._queued:
                return
            self._queued.discard(key)
            self._making[key] = False
        standby = None
        try:
            # Of what is not there any more, none is made.
            standby = Standby(self._engine, alike) if alike.key() == key else None
        except _FAILURES:
            self.judge(good=False)
        finally:
            with self._changed:
                del self._making[key]
                if standby is not None:
                    self._standing[key] = standby
                dropped = self._drop()
                self._changed.notify_all()
        _discard_all(dropped)

    def _drop(self) -> list[Standby]:
        """Take out what cannot be used any more, and the oldest beyond `MOST`."""
        fit = [key for key, standby in self._standing.items() if standby.is_fit]
        kept = set(fit[-MOST:])
        return [self._standing.pop(key) for key in list(self._standing) if key not in kept]

    def _discard(self, standbys: Iterable[Standby]) -> None:
        with self._changed:
            self._pool().submit(_discard_all, standbys)

    def _pool(self) -> ThreadPoolExecutor:
        if self._makers is None:
            self._makers = ThreadPoolExecutor(_MAKERS, thread_name_prefix="lab-docker-ahead")
        return self._makers


def _discard_all(standbys: Iterable[Standby]) -> None:
    for standby in standbys:
        standby.discard()
