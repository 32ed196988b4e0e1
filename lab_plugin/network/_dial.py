"""From an allowed name to a connected socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address

from lab_plugin.network._addresses import Address
from lab_plugin.network._exchange import Exchange, Stopped

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""All addresses of a canonical host, as text; `OSError` when there are none."""

MayConnect = Callable[[Address], bool]
"""Whether the proxy may connect to an address."""

_LOOKUPS = 8
_MAX_ADDRESSES = 64
_MAX_TRIED = 8
_ATTEMPT_SECONDS = 6.0


class Dialer:
    """Resolves once, checks every address of the answer, and connects to one of exactly those.

    Args:
        resolve: Gives the addresses of a name.
        may_connect: Judges each of them.
        seconds: For all of it.
    """

    def __init__(self, resolve: Resolve, may_connect: MayConnect, seconds: float) -> None:
        self._resolve = resolve
        self._may_connect = may_connect
        self._seconds = seconds
        self._lookups = asyncio.Semaphore(_LOOKUPS)

    async def dial(self, exchange: Exchange) -> socket.socket:
        """Connect to the exchange's host and port; its address is set.

        Raises:
            Stopped: There is no address, one may not be connected to, or none answers.
        """
        try:
            async with asyncio.timeout(self._seconds):
                addresses = await self._addresses(exchange)
                for address in addresses[:_MAX_TRIED]:
                    exchange.address = str(address)
                    connected = await _connect(address, exchange.port)
                    if connected is not None:
                        return connected
        except TimeoutError:
            raise Stopped("failed", 504, "the host did not answer in time") from None
        raise Stopped("failed", 502, "the host cannot be connected to")

    async def _addresses(self, exchange: Exchange) -> list[Address]:
        async with self._lookups:
            try:
                texts = await self._resolve(exchange.host, exchange.port)
                addresses = [ip_address(text) for text in texts]
            except (OSError, ValueError):
                raise Stopped("failed", 502, "the host's name has no address") from None
        if not addresses:
            raise Stopped("failed", 502, "the host's name has no address")
        if len(addresses) > _MAX_ADDRESSES:
            raise Stopped("refused", 403, "the host's name has too many addresses")
        # One bad address spoils the answer: who mixes them is trying something.
        for address in addresses:
            if not self._may_connect(address):
                exchange.address = str(address)
                raise Stopped("refused", 403, "the host's name leads to an address that is not public")
        return addresses


async def _connect(address: Address, port: int) -> socket.socket | None:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        attempt = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        return None
    try:
        attempt.setblocking(False)
        async with asyncio.timeout(_ATTEMPT_SECONDS):
            await asyncio.get_running_loop().sock_connect(attempt, (str(address), port))
        attempt.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except (OSError, TimeoutError):
        attempt.close()
        return None
    except BaseException:
        attempt.close()
        raise
    return attempt
