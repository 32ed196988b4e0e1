"""From a program to a service of the host: one declared port, bytes as they are."""

from __future__ import annotations

import asyncio
import math
import socket

from lab_plugin.network._exchange import Exchange, Stopped
from lab_plugin.network._line import Line
from lab_plugin.network._relay import Relay

_LOOPBACK = "127.0.0.1"
_DOMAIN = ".service.lab"
_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


def service_host(name: str) -> str:
    """The host by which the forwarder asks for a service; no name server knows it."""
    return f"{name}{_DOMAIN}"


async def dial_service(exchange: Exchange, seconds: float) -> socket.socket:
    """Connect to the exchange's port on this machine; its address is set.

    Raises:
        Stopped: Nothing answers there.
    """
    exchange.address = _LOOPBACK
    attempt = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        attempt.setblocking(False)
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().sock_connect(attempt, (_LOOPBACK, exchange.port))
        attempt.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except (OSError, TimeoutError):
        attempt.close()
        raise Stopped("failed", 502, "the service cannot be connected to") from None
    except BaseException:
        attempt.close()
        raise
    return attempt


async def carry_service(client: Line, service: Line, exchange: Exchange) -> None:
    """Carry bytes both ways until both have ended, however long nothing moves.

    Args:
        client: It sent a CONNECT request, and is told here that it succeeded.
        service: Connected; nothing was sent.
        exchange: Counts the bytes.

    Raises:
        Stopped: A limit was reached.
        OSError: A connection broke.
    """

    async def up() -> None:
        while data := await client.receive():
            exchange.count_up(len(data))
            await service.send(data)
        service.end()

    async def down() -> None:
        while data := await service.receive():
            exchange.count_down(len(data))
            await client.send(data)
        client.end()

    exchange.is_answered = True
    await client.send(_ESTABLISHED)
    await Relay(exchange, math.inf).both(up(), down())
