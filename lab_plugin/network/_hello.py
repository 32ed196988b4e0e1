"""The first message of a TLS client: which server name it asks for."""

from __future__ import annotations

_CLIENT_HELLO = 1
_SERVER_NAME = 0
# Encrypted Client Hello, its drafts, and ESNI before it. What greases them looks the same from outside.
_HIDDEN_NAMES = frozenset({0xFE0D, 0xFE0C, 0xFE0B, 0xFE0A, 0xFE09, 0xFE08, 0xFFCE})
MAX_HELLO = 32 << 10


class HelloRefused(Exception):
    """What the client said may not go to the server; the message says why, without its bytes."""


class _Reader:
    """Takes lengths and fields off a message; short ones are refused."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_done(self) -> bool:
        return self._at == len(self._data)

    def take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise HelloRefused("the ClientHello is malformed")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        return self.take(self.number(size))


def message_length(message: bytes | bytearray) -> int | None:
    """Length of a handshake message with its header, once its start is there.

    Raises:
        HelloRefused: It is not a ClientHello, or too long for one.
    """
    if message and message[0] != _CLIENT_HELLO:
        raise HelloRefused("the first TLS message is not a ClientHello")
    if len(message) < 4:
        return None
    length = 4 + int.from_bytes(message[1:4], "big")
    if length > MAX_HELLO:
        raise HelloRefused("the ClientHello is too long")
    return length


def server_name(message: bytes) -> str:
    """The one server name in a complete ClientHello, lower case.

    Raises:
        HelloRefused: It is malformed, ambiguous, names no server, or hides a name.
    """
    reader = _Reader(message)
    reader.take(4 + 2 + 32)
    reader.vector(1)
    reader.vector(2)
    reader.vector(1)
    extensions = {} if reader.is_done else _extensions(reader.vector(2))
    if not reader.is_done:
        raise HelloRefused("the ClientHello is malformed")
    if not _HIDDEN_NAMES.isdisjoint(extensions):
        raise HelloRefused("the ClientHello may hide another server name (ECH); turn ECH off in the client")
    if _SERVER_NAME not in extensions:
        raise HelloRefused("the ClientHello names no server (no SNI)")
    return _host_name(extensions[_SERVER_NAME])


def _extensions(data: bytes) -> dict[int, bytes]:
    reader = _Reader(data)
    extensions: dict[int, bytes] = {}
    while not reader.is_done:
        kind = reader.number(2)
        if kind in extensions:
            raise HelloRefused("the ClientHello repeats an extension")
        extensions[kind] = reader.vector(2)
    return extensions


def _host_name(data: bytes) -> str:
    outer = _Reader(data)
    names = _Reader(outer.vector(2))
    if not outer.is_done:
        raise HelloRefused("the ClientHello is malformed")
    kind, name = names.number(1), names.vector(2)
    if kind != 0 or not names.is_done:
        raise HelloRefused("the ClientHello names more than one server")
    try:
        return name.decode("ascii").lower()
    except UnicodeDecodeError:
        raise HelloRefused("the ClientHello is malformed") from None
