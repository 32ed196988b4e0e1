"""A container that was started and whose first process waits to be told what it is for."""

from __future__ import annotations

import select
import socket
import time
from contextlib import ExitStack
from typing import Any

from lab_plugin.sandbox._docker._end import see_end
from lab_plugin.sandbox._docker._engine import Engine

_SAY_SECONDS = 20.0


class Container:
    """One container, from its making to its proven end. Each of its calls blocks.

    Args:
        engine: Where.
        config: The container, as the engine wants it.
        name: Its name.
        kept: What it needs of the host; closed after its end, also where it cannot be started.

    Attributes:
        identity: Its id.
        connection: Its streams, non-blocking.
        since: Before it was made, in seconds since the epoch.

    Raises:
        SandboxUnavailable: The engine cannot start it.
    """

    def __init__(self, engine: Engine, config: dict[str, Any], name: str, kept: ExitStack) -> None:
        self._engine = engine
        self._kept = kept
        self.since = time.time()
        try:
            self.identity = engine.create(config, name)
            kept.callback(self._see_end)
            self._orderly = False
            self.connection, stream = engine.attach(self.identity)
            # Its end comes first, and lets go of the stream that owns it.
            kept.callback(lambda _: self._hang_up(), stream)
            engine.start(self.identity)
        except BaseException:
            kept.close()
            raise

    def say(self, data: bytes) -> None:
        """Send all of it.

        Raises:
            OSError: It does not listen.
        """
        self.connection.settimeout(_SAY_SECONDS)
        self.connection.sendall(data)
        self.connection.setblocking(False)

    @property
    def is_silent(self) -> bool:
        """It has said nothing, and has not hung up."""
        poll = select.poll()
        poll.register(self.connection, select.POLLIN)
        return not poll.poll(0)

    def end(self, *, orderly: bool) -> None:
        """Hang up, and return when it is gone.

        Args:
            orderly: Its first process is ending by itself; otherwise it is killed.

        Raises:
            SandboxUnavailable: It cannot be ended, or the engine is gone.
        """
        self._orderly = orderly
        self._kept.close()

    def _hang_up(self) -> None:
        with self.connection:
            try:
                self.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                return

    def _see_end(self) -> None:
        see_end(self._engine, self.identity, orderly=self._orderly)
