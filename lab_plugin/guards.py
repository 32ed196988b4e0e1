"""Who may talk to a server of the lab: this user's processes, its own pages, who knows the credential."""

from __future__ import annotations

import asyncio
import base64
import hmac
import os
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_SOCKETS = "/proc/net/tcp"
_ESTABLISHED = "01"

Message = MutableMapping[str, Any]
App = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]


def peer_user(peer: tuple[str, int], own: tuple[str, int]) -> int | None:
    """The uid at the other end of a loopback connection; None when it is closed already.

    Args:
        peer: Address and port of the other end.
        own: Address and port of this end.
    """
    wanted = [_hex_address(peer), _hex_address(own), _ESTABLISHED]
    with open(_SOCKETS, encoding="ascii") as table:
        for line in table:
            fields = line.split()
            if fields[1:4] == wanted:
                return int(fields[7])
    return None


def _is_own(peer: tuple[str, int] | None, own: tuple[str, int] | None) -> bool:
    return peer is not None and own is not None and peer_user(peer, own) in (os.getuid(), 0)


def _hex_address(address: tuple[str, int]) -> str:
    # The kernel prints the four bytes as one integer of the machine's byte order.
    (number,) = struct.unpack("=I", socket.inet_aton(address[0]))
    return f"{number:08X}:{address[1]:04X}"


class SameUserProtocol(HttpToolsProtocol):
    """HTTP for connections of this user and of root; others are cut off.

    The API runs whatever it is told to run, and shows research that is nobody else's business. Prefect's own
    remedy is a password, which every browser would ask for; the kernel knows the user without asking.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or cut it off."""
        super().connection_made(transport)
        peer, own = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        if not _is_own(peer, own):
            transport.abort()


class _Door(ABC):
    """ASGI middleware that passes on what it admits, and refuses the rest."""

    _status = 403
    _why: bytes
    _headers: tuple[tuple[bytes, bytes], ...] = ()

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Refuse, or pass on."""
        if scope["type"] == "lifespan" or self._admits(scope):
            await self._app(scope, receive, send)
        else:
            await self._refuse(scope, send)

    @abstractmethod
    def _admits(self, scope: Message) -> bool:
        """Whether a request or web socket may pass."""

    async def _refuse(self, scope: Message, send: Callable[[Message], Awaitable[None]]) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = [(b"content-type", b"text/plain; charset=utf-8"), *self._headers]
        await send({"type": "http.response.start", "status": self._status, "headers": headers})
        await send({"type": "http.response.body", "body": self._why})


class SameUserOnly(_Door):
    """`SameUserProtocol` as ASGI middleware, for servers whose protocol cannot be chosen.

    Header fields that claim another peer must not be believed before it (uvicorn's `--no-proxy-headers`).

    Args:
        app: The application behind it.
    """

    _why = b"This server serves the user only who started it."

    def _admits(self, scope: Message) -> bool:
        return _is_own(scope.get("client"), scope.get("server"))


class OwnPagesOnly(_Door):
    """ASGI middleware that refuses requests that a foreign web page made a browser send.

    Args:
        app: The application behind it.
        origins: The origins that are its own.
    """

    _why = b"Only the pages of this server itself may call it."

    def __init__(self, app: App, origins: tuple[str, ...]) -> None:
        super().__init__(app)
        self._origins = {origin.encode() for origin in origins}
        self._hosts = {origin.partition("//")[2].encode() for origin in origins}

    def _admits(self, scope: Message) -> bool:
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        # The host is checked too: a foreign name that resolves to the loopback makes any page "same origin".
        hosts = [value for name, value in headers if name == b"host"]
        origins = [value for name, value in headers if name == b"origin"]
        return all(host in self._hosts for host in hosts) and all(
            origin in self._origins for origin in origins
        )


class WithCredential(_Door):
    """ASGI middleware that lets in who shows the credential, by HTTP basic authentication.

    It stands before the whole application, so that no route can be forgotten, today's or tomorrow's.

    Args:
        app: The application behind it.
        credential: `user:password`.
        realm: What a browser calls it when it asks.
        open_paths: Paths whose GET needs none; they must hold no data.
    """

    _status = 401
    _why = b"This server needs a user and a password."

    def __init__(self, app: App, credential: str, realm: str, open_paths: frozenset[str]) -> None:
        super().__init__(app)
        self._expected = b"Basic " + base64.b64encode(credential.encode())
        self._headers = ((b"www-authenticate", b'Basic realm="' + realm.encode() + b'"'),)
        self._open = open_paths

    def _admits(self, scope: Message) -> bool:
        if scope["type"] == "http" and scope["method"] == "GET" and scope["path"] in self._open:
            return True
        shown = [value for name, value in scope["headers"] if name == b"authorization"]
        return len(shown) == 1 and hmac.compare_digest(shown[0], self._expected)
