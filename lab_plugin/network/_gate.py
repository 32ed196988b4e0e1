"""What of a client's bytes may go up a tunnel."""

from __future__ import annotations

import hashlib

from lab_plugin.network._hello import MAX_HELLO, HelloRefused, message_length, server_name

__all__ = ["HelloGate", "HelloRefused"]

_CHANGE_CIPHER_SPEC, _ALERT, _HANDSHAKE, _APPLICATION_DATA = 20, 21, 22, 23
_HEADER = 5
_MAX_PLAINTEXT = 1 << 14
# Of the version, or not there yet.
_MAJORS = (bytearray(), bytearray(b"\x03"))
_MAX_RECORD = _MAX_PLAINTEXT + 256
# A ClientHello may be cut into records of one byte.
_MAX_HELD = MAX_HELLO * (_HEADER + 1)
_SERVER_HELLO = 2
_RANDOM = slice(11, 43)
_RETRY = hashlib.sha256(b"HelloRetryRequest").digest()


class HelloGate:
    """Lets a client's bytes through only while each ClientHello among them names the host.

    Nothing passes before the first ClientHello is complete and right. A server may then ask for a second
    one (HelloRetryRequest), which could name another host: until the server has answered, handshake
    records are held, and when it asked, the second ClientHello is checked like the first. Then the gate is
    open: all that follows is encrypted, or cannot change the name.

    It does no input or output, and takes the bytes in pieces of any size.

    Args:
        host: Canonical name that each ClientHello has to carry.
    """

    def __init__(self, host: str) -> None:
        self._host = host
        self._held = bytearray()
        self._answer = bytearray()
        self._is_retry = False
        self._expects_hello = True
        self._message = bytearray()
        self._scanned = 0
        self._passing = 0
        self.is_open = False

    @property
    def is_holding(self) -> bool:
        """Whether bytes of the client wait here."""
        return bool(self._held)

    def from_client(self, data: bytes) -> bytes:
        """Take what the client said; what is returned may go to the server.

        Raises:
            HelloRefused: The client breaks the rule; nothing more may go to the server.
        """
        if self.is_open and not self._held:
            return data
        self._held += data
        return self._pass()

    def from_server(self, data: bytes) -> bytes:
        """Look at what the server answered; what is returned was held and may now go to the server.

        Raises:
            HelloRefused: What was held breaks the rule.
        """
        if self.is_open or self._is_retry:
            return b""
        self._answer += data[: _RANDOM.stop - len(self._answer)]
        if self._answer and self._answer[0] != _HANDSHAKE:
            self.is_open = True
        elif len(self._answer) == _RANDOM.stop:
            retry = self._answer[_HEADER] == _SERVER_HELLO and self._answer[_RANDOM] == _RETRY
            self._is_retry, self.is_open = retry, not retry
        return self._pass()

    def _pass(self) -> bytes:
        passed = bytearray()
        while count := self._passable():
            passed += self._held[:count]
            del self._held[:count]
        if len(self._held) > _MAX_HELD:
            raise HelloRefused("the client sends too much before its handshake may go on")
        return bytes(passed)

    def _passable(self) -> int:
        if self.is_open:
            return len(self._held)
        if self._expects_hello:
            return self._read_hello()
        if not self._passing:
            self._passing = self._read_record()
        count = min(self._passing, len(self._held))
        self._passing -= count
        return count

    def _read_record(self) -> int:
        """Length of the next record when it may pass as it comes; 0 to wait."""
        if not self._held:
            return 0
        kind = self._held[0]
        if kind == _HANDSHAKE:
            self._expects_hello = self._is_retry
            return self._read_hello() if self._expects_hello else 0
        if kind not in (_CHANGE_CIPHER_SPEC, _ALERT, _APPLICATION_DATA):
            raise HelloRefused("the client does not speak TLS")
        if len(self._held) < _HEADER:
            return 0
        return _HEADER + self._length(0, _MAX_RECORD)

    def _read_hello(self) -> int:
        """Length of all records of a complete and right ClientHello; 0 to wait."""
        while self._scanned < len(self._held):
            start = self._scanned
            if self._held[start] != _HANDSHAKE or self._held[start + 1 : start + 2] not in _MAJORS:
                raise HelloRefused("the client does not speak TLS")
            if len(self._held) < start + _HEADER:
                return 0
            end = start + _HEADER + self._length(start, _MAX_PLAINTEXT)
            if len(self._held) < end:
                # The type is known before the record is complete.
                message_length(self._message or self._held[start + _HEADER : start + _HEADER + 1])
                return 0
            self._message += self._held[start + _HEADER : end]
            self._scanned = end
            if self._is_complete():
                return self._accept()
        return 0

    def _is_complete(self) -> bool:
        length = message_length(self._message)
        if length is not None and len(self._message) > length:
            raise HelloRefused("something else follows in the records of the ClientHello")
        return length == len(self._message)

    def _accept(self) -> int:
        if server_name(bytes(self._message)) != self._host:
            raise HelloRefused("the ClientHello names another server than the tunnel (SNI)")
        count, self._scanned = self._scanned, 0
        self._message.clear()
        self._expects_hello = False
        self.is_open = self._is_retry
        return count

    def _length(self, start: int, limit: int) -> int:
        length = int.from_bytes(self._held[start + 3 : start + _HEADER], "big")
        if not 0 < length <= limit:
            raise HelloRefused("the client does not speak TLS")
        return length
