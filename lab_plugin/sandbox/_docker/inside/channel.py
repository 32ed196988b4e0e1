"""The first process's side of the talk with the lab, whose hang-up or silence ends it, and so everything."""

from __future__ import annotations

import os
import select
import time

from .frames import HEADER, STOP, frame, header

_READ = 1 << 16
_FULL = 1 << 18
HUNG_UP = 3


class Channel:
    """Frames over this process's stdin and stdout, which only it has.

    An engine that is killed leaves this process's stdin open, held by nobody who writes: so silence, too, is
    the lab's death.
    """

    def __init__(self) -> None:
        os.set_blocking(1, False)
        self._pending = b""
        self._silence = self._until = float("inf")
        self.stopped = False

    def expect(self, seconds: float) -> None:
        """From now on, the lab says something at least so often."""
        self._silence = seconds
        self._until = time.monotonic() + seconds

    @property
    def patience(self) -> float:
        """Milliseconds that the lab may still be silent; ends this process when there are none."""
        left = self._until - time.monotonic()
        if left <= 0:
            os._exit(HUNG_UP)
        return 1000 * min(left, 3600.0) + 1

    def receive(self) -> bytes:
        """The payload of the first frame; waits for it as long as the lab may be silent."""
        poll = select.poll()
        poll.register(0, select.POLLIN)
        data = b""
        length = HEADER
        while len(data) < length:
            if not poll.poll(self.patience):
                continue
            chunk = os.read(0, length - len(data))
            if not chunk:
                os._exit(HUNG_UP)
            data += chunk
            if len(data) == HEADER == length:
                length += header(data)[1]
        return data[HEADER:]

    @property
    def pending(self) -> bool:
        """Something waits to be sent."""
        return bool(self._pending)

    @property
    def full(self) -> bool:
        """So much waits that no more should be made."""
        return len(self._pending) > _FULL

    def put(self, kind: bytes, payload: bytes = b"") -> None:
        """Queue a frame."""
        self._pending += frame(kind, payload)

    def push(self) -> None:
        """Send what goes without waiting."""
        try:
            self._pending = self._pending[os.write(1, self._pending) :]
        except BlockingIOError:
            return

    def listen(self) -> None:
        """Read stdin, which is readable: it may ask to stop, and its end ends this process."""
        data = os.read(0, _READ)
        if not data:
            os._exit(HUNG_UP)
        self._until = time.monotonic() + self._silence
        # No frame has a payload from here on.
        self.stopped = self.stopped or STOP in data

    def drain(self, at_most: int = 0) -> None:
        """Send until at most so many bytes wait."""
        while len(self._pending) > at_most:
            self.wait(select.POLLOUT)
            self.push()

    def wait_for_hang_up(self) -> None:
        """Stay, so that the lab can look at this container, until it is done."""
        while True:
            self.wait(0)

    def wait(self, events: int) -> None:
        """Wait until stdout is ready for `events`, or stdin has something."""
        poll = select.poll()
        poll.register(0, select.POLLIN)
        if events:
            poll.register(1, events)
        while True:
            found = dict(poll.poll(self.patience))
            if 0 in found:
                self.listen()
            if 1 in found or not events:
                return
