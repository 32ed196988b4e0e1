"""Reading and writing frames on the lab's ends of the channel: within a time, and until told to stop."""

from __future__ import annotations

import os
import select
import socket
import struct
import time

_LENGTH = struct.Struct(">I")
_CHUNK = 1 << 18


class Late(Exception):
    """The time was over."""


class Closed(Exception):
    """The other side hung up."""


class TooLarge(Exception):
    """A frame announced more bytes than it may have.

    Args:
        size: Bytes announced.
    """

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


class OutOfTurn(Exception):
    """More came than the one frame that was due."""


class Told(Exception):
    """The lab said something on the wake pipe.

    Args:
        word: One byte.
    """

    def __init__(self, word: bytes) -> None:
        super().__init__(word)
        self.word = word


class Wake:
    """What interrupts every wait.

    Args:
        fd: Readable end of a pipe; each byte is a word of the lab.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.ignored = b""
        self._polled = select.poll()
        self._polled.register(fd, select.POLLIN)

    def hear(self) -> None:
        """Take one word.

        Raises:
            Told: It is none of those that are ignored.
        """
        word = os.read(self.fd, 1)
        if word not in self.ignored:
            raise Told(word)

    def wait(self, deadline: float) -> None:
        """Wait for words only.

        Raises:
            Late: There was none before `deadline`, of `time.monotonic`.
            Told: There was one.
        """
        _wait(self._polled, self, deadline)


class Line:
    """One connected side.

    Args:
        connected: Its socket.
        wake: What interrupts every wait.
    """

    def __init__(self, connected: socket.socket, wake: Wake) -> None:
        connected.setblocking(False)
        self._socket = connected
        self._wake = wake
        self._received = bytearray()
        self._reads = _poll(connected.fileno(), select.POLLIN, wake.fd)
        self._writes = _poll(connected.fileno(), select.POLLOUT, wake.fd)

    def send(self, body: bytes, deadline: float) -> None:
        """Send one frame.

        Raises:
            Late: It was not taken before `deadline`, of `time.monotonic`.
            Closed: Nobody is there.
            Told: The lab interrupted.
        """
        data = memoryview(_LENGTH.pack(len(body)) + body)
        while data:
            try:
                data = data[self._socket.send(data) :]
            except BlockingIOError:
                _wait(self._writes, self._wake, deadline)
            except OSError:
                raise Closed from None

    def receive(self, limit: int, deadline: float) -> bytes:
        """Receive exactly one frame; what has come of it before an interruption is kept for the next call.

        Raises:
            Late: It was not whole before `deadline`.
            Closed: The other side hung up before that.
            TooLarge: It has more than `limit` bytes.
            OutOfTurn: More came behind it.
            Told: The lab interrupted.
        """
        data = self._received
        while (missing := _missing(data, limit)) > 0:
            _wait(self._reads, self._wake, deadline)
            try:
                chunk = self._socket.recv(_CHUNK)
            except BlockingIOError:
                continue
            except OSError:
                raise Closed from None
            if not chunk:
                raise Closed
            data += chunk
        if missing < 0:
            raise OutOfTurn
        self._received = bytearray()
        return bytes(memoryview(data)[_LENGTH.size :])

    def require_silent(self) -> None:
        """See that nothing was said out of turn.

        Raises:
            OutOfTurn: Something was.
            Closed: The other side hung up.
        """
        try:
            said = self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError:
            raise Closed from None
        if said:
            raise OutOfTurn
        raise Closed

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def _missing(data: bytearray, limit: int) -> int:
    """Bytes that are missing of a frame, as far as that can be told; less than 0 when there are too many."""
    if len(data) < _LENGTH.size:
        return _LENGTH.size - len(data)
    (length,) = _LENGTH.unpack_from(data)
    if length > limit:
        raise TooLarge(length)
    return int(_LENGTH.size + length - len(data))


def accept(listener: socket.socket, wake: Wake, deadline: float) -> Line:
    """Take the first connection, and no other one ever.

    Raises:
        Late: There was none before `deadline`.
        Told: The lab interrupted.
    """
    polled = _poll(listener.fileno(), select.POLLIN, wake.fd)
    while True:
        try:
            connected, _ = listener.accept()
        except BlockingIOError:
            _wait(polled, wake, deadline)
        else:
            listener.close()
            return Line(connected, wake)


def _wait(polled: select.poll, wake: Wake, deadline: float) -> None:
    """Wait until a polled descriptor is ready, or for no reason."""
    left = deadline - time.monotonic()
    ready = polled.poll(left * 1000) if left > 0 else []
    if not ready:
        raise Late
    if any(fd == wake.fd for fd, _ in ready):
        wake.hear()


def _poll(fd: int, events: int, wake: int) -> select.poll:
    polled = select.poll()
    polled.register(fd, events)
    polled.register(wake, select.POLLIN)
    return polled
