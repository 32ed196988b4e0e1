"""Who may talk to the local API: this user's own processes and the API's own pages."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
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
        if peer is None or peer_user(peer, own) not in (os.getuid(), 0):
            transport.abort()


class OwnPagesOnly:
    """ASGI middleware that refuses requests that a foreign web page made a browser send.

    Args:
        app: The application behind it.
        origins: The origins that are its own.
    """

    def __init__(self, app: App, origins: tuple[str, ...]) -> None:
        self._app = app
        self._origins = {origin.encode() for origin in origins}
        self._hosts = {origin.partition("//")[2].encode() for origin in origins}

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Answer 403, or pass on."""
        if scope["type"] == "lifespan" or self._own(scope["headers"]):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await send({"type": "http.response.start", "status": 403, "headers": []})
            await send({"type": "http.response.body", "body": b"This API serves its own pages only."})

    def _own(self, headers: list[tuple[bytes, bytes]]) -> bool:
        # The host is checked too: a foreign name that resolves to the loopback makes any page "same origin".
        hosts = [value for name, value in headers if name == b"host"]
        origins = [value for name, value in headers if name == b"origin"]
        return all(host in self._hosts for host in hosts) and all(
            origin in self._origins for origin in origins
        )
