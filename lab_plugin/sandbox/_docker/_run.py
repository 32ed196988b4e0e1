"""One job in one container, from its making to its proven end. Blocks: it runs in a thread."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack, suppress
from copy import copy
from typing import Any, NamedTuple

from lab_plugin.errors import SandboxError, SandboxUnavailable
from lab_plugin.sandbox._contract import Job
from lab_plugin.sandbox._docker._ahead import Ahead, Taken
from lab_plugin.sandbox._docker._alike import Alike
from lab_plugin.sandbox._docker._binds import Workspace
from lab_plugin.sandbox._docker._bundle import program
from lab_plugin.sandbox._docker._config import STANDBY_SECONDS
from lab_plugin.sandbox._docker._container import Container
from lab_plugin.sandbox._docker._destination import Malformed
from lab_plugin.sandbox._docker._end import processes
from lab_plugin.sandbox._docker._engine import Engine
from lab_plugin.sandbox._docker._growth import Growth
from lab_plugin.sandbox._docker._receiver import Receiver
from lab_plugin.sandbox._docker._talk import NeverBegan, Talk
from lab_plugin.sandbox._docker.inside import frames
from lab_plugin.sandbox._docker.inside.setup import Setup

_NO_DEVICES = ("could not select device driver", "nvidia-container-cli")
_NOT_STARTED = ("executable file not found", "no such file or directory", "permission denied")


class Order(NamedTuple):
    """What is to be run.

    Attributes:
        job: The job.
        name: The container's name.
        config: The container, as the engine wants it.
        setup: What its first process is to do.
        workspace: What it may change of the host.
        alike: What else its container could hold; None where it must be its own from the start.
    """

    job: Job
    name: str
    config: dict[str, Any]
    setup: Setup
    workspace: Workspace
    alike: Alike | None


class Ran(NamedTuple):
    """What came of it.

    Attributes:
        receiver: Report and outputs.
        cause: What the host saw and ended it for: `timeout`, `output`, `cancelled`; empty otherwise.
        memory: The container ended for lack of memory, with its first process.
        wall_seconds: From its start to its proven end.
    """

    receiver: Receiver
    cause: str
    memory: bool
    wall_seconds: float


class Run:
    """One run.

    Args:
        engine: Where.
        ahead: The containers that wait.
        order: What.
    """

    def __init__(self, engine: Engine, ahead: Ahead, order: Order) -> None:
        self._engine = engine
        self._ahead = ahead
        self._order = order
        self._growth = Growth(order.workspace.grown, order.job.limits.disk_bytes)
        self._woken, self._wake = socket.socketpair()

    def cancel(self) -> None:
        """End it; thread-safe until `close`."""
        self._wake.send(b"x")

    def close(self) -> None:
        """Let go of what `cancel` needs."""
        self._woken.close()
        self._wake.close()

    def hold(self) -> Ran:
        """Run it to its end.

        Raises:
            SandboxUnavailable: The engine, the first process or this machine's disk failed.
            SandboxError: The image cannot hold it.
        """
        job = self._order.job
        try:
            receiver = Receiver(job)
            try:
                with self._ahead.running():
                    return self._in_container(receiver)
            finally:
                receiver.close()
        except Malformed as error:
            raise SandboxUnavailable(
                f"docker: the first process of {self._order.name} went wrong: {error}"
            ) from None
        except OSError as error:
            raise SandboxUnavailable(f"docker: {job.destination} cannot be written: {error}") from None

    def _in_container(self, receiver: Receiver) -> Ran:
        alike = self._order.alike
        if alike is None:
            return self._in_fresh(receiver)
        taken = self._ahead.take(alike, self._order.name, measured=self._order.job.role == "candidate")
        ran = self._in_taken(taken, receiver) if taken else None
        ran = ran or self._in_fresh(receiver)
        if ran.cause != "cancelled":
            self._ahead.ended(alike, ran.wall_seconds)
        return ran

    def _in_fresh(self, receiver: Receiver) -> Ran:
        setup = frames.frame(frames.SETUP, self._order.setup.encode())
        return self._within(self._start(), program(STANDBY_SECONDS) + setup, receiver)

    def _in_taken(self, taken: Taken, receiver: Receiver) -> Ran | None:
        """None where the container failed before the program began: another can still have it."""
        setup = copy(self._order.setup)
        setup.shown = [*setup.shown, *taken.shown]
        with suppress(NeverBegan):
            ran = self._within(taken.container, frames.frame(frames.SETUP, setup.encode()), receiver)
            if receiver.started or ran.cause:
                self._ahead.judge(good=True)
                return ran
        self._ahead.judge(good=False)
        receiver.forget()
        return None

    def _within(self, container: Container, first: bytes, receiver: Receiver) -> Ran:
        begun = time.monotonic()
        cause = ""
        try:
            cause = self._talk(container, first, receiver)
        finally:
            container.end(orderly=receiver.ended)
        wall = time.monotonic() - begun
        self._order.workspace.require_unmoved()
        if not cause and self._growth.is_beyond(()):
            cause = "output"
        memory = False
        if not (receiver.ended or cause):
            memory = self._engine.ran_out_of_memory(container.identity, container.since)
            if not memory:
                raise self._lost(receiver)
        return Ran(receiver, cause, memory, wall)

    def _start(self) -> Container:
        try:
            return Container(self._engine, self._order.config, self._order.name, ExitStack())
        except SandboxUnavailable as error:
            if any(words in error.message for words in _NO_DEVICES):
                raise SandboxError(
                    f"{self._order.job.name}: the engine has no such GPUs: "
                    f"{', '.join(self._order.job.gpus)}: {error.message}",
                    "Install the NVIDIA driver and its Container Toolkit and restart the engine, or name "
                    "others in [resources] gpus.",
                ) from None
            if "exec:" in error.message and any(words in error.message for words in _NOT_STARTED):
                raise SandboxError(
                    error.message,
                    "The image must have Python 3.9 or later, as `python` or where [sandbox] python says.",
                ) from None
            raise

    def _talk(self, container: Container, first: bytes, receiver: Receiver) -> str:
        talk = Talk(
            container.connection,
            self._woken,
            receiver,
            self._order.job.limits.wall_seconds,
            self._order.setup.silence_ns / 1e9,
            (lambda: self._growth.is_beyond(processes(container.identity))) if self._growth.watched else None,
        )
        talk.hold(first)
        return talk.cause

    def _lost(self, receiver: Receiver) -> SandboxUnavailable:
        said = f": {receiver.said}" if receiver.said else ""
        if receiver.broken or not receiver.started:
            what = receiver.broken or "its first process ended early"
            kind = SandboxUnavailable if receiver.started else NeverBegan
            return kind(
                f"docker: nothing can be run inside: {what}{said}",
                "The image must have Python 3.9 or later with ctypes, and the engine be on this machine.",
            )
        return SandboxUnavailable(
            f"docker: container {self._order.name} was ended from outside{said}",
            "Run it again; look at the engine's log (journalctl -u docker).",
        )
