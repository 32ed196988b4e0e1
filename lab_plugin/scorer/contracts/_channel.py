"""The channel between a candidate and its scorer: two unix sockets, and the thread between them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from lab_plugin.errors import SandboxUnavailable
from lab_plugin.scorer.contracts._relay import CANDIDATE_ENDED, QUIT, SCORER_ENDED, Breach, Relay, Rules
from lab_plugin.scratch import scratch, short_parent


class Channel:
    """One conversation's channel.

    Its thread blocks on plain sockets, so that a busy event loop delays no answer. Each side is shown its own
    socket (mode 666: whatever user the sandbox gives it may connect), in a folder that keeps others out.

    Args:
        rules: What both sides are held to.

    Attributes:
        candidate: Path of the candidate's socket.
        scorer: Path of the scorer's socket.
        over: Done when the conversation is: what rule was broken, or None.
        relay: Counts questions and seconds.

    Raises:
        SandboxUnavailable: The sockets cannot be made.
    """

    def __init__(self, rules: Rules) -> None:
        self._stack = ExitStack()
        self._folder = self._stack.enter_context(scratch(short_parent()))
        self.candidate, self.scorer = self._folder / "candidate.sock", self._folder / "scorer.sock"
        self._woken, self._wake = os.pipe2(os.O_CLOEXEC)
        try:
            self.relay = Relay(_listen(self.candidate), _listen(self.scorer), self._woken, rules)
        except OSError as error:
            self._forget()
            raise SandboxUnavailable(
                f"The channel between candidate and scorer cannot be made in {self._folder}: {error}.",
                "Set TMPDIR to a folder with a short name that can be written.",
            ) from error
        self._loop = asyncio.get_running_loop()
        self.over: asyncio.Future[Breach | None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name="lab-channel", daemon=True)

    def scorer_ended(self) -> None:
        """Say that the scorer has ended: the candidate is hung up on."""
        self._say(SCORER_ENDED)

    def candidate_ended(self) -> None:
        """Say that the candidate has ended: it will not connect any more."""
        self._say(CANDIDATE_ENDED)

    async def __aenter__(self) -> Channel:
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._say(QUIT)
        self._thread.join()
        self._forget()

    def _say(self, word: bytes) -> None:
        if self._wake >= 0:
            os.write(self._wake, word)

    def _run(self) -> None:
        try:
            breach = self.relay.run()
        except BaseException as error:  # noqa: BLE001 - handed to who waits
            self._tell(error)
        else:
            self._tell(breach)
        finally:
            self.relay.close()

    def _tell(self, outcome: Breach | BaseException | None) -> None:
        def tell() -> None:
            if self.over.done():
                return
            if isinstance(outcome, BaseException):
                self.over.set_exception(outcome)
            else:
                self.over.set_result(outcome)

        # The loop may be gone with the process that it belonged to.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(tell)

    def _forget(self) -> None:
        os.close(self._wake)
        os.close(self._woken)
        self._wake = -1
        self._stack.close()


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        listener.bind(str(path))
        path.chmod(0o666)
        listener.listen(1)
    except OSError:
        listener.close()
        raise
    return listener
