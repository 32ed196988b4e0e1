"""TLS from a client to a host, untouched, once it named that host."""

from __future__ import annotations

import asyncio

from lab_plugin.network._exchange import Exchange, Stopped
from lab_plugin.network._gate import HelloGate, HelloRefused
from lab_plugin.network._limits import ProxyLimits
from lab_plugin.network._line import Line
from lab_plugin.network._relay import Relay

_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
# A fatal TLS alert, access_denied: clients report it better than a lost connection.
_DENIED = bytes((21, 3, 3, 0, 2, 2, 49))


async def carry(client: Line, host: Line, exchange: Exchange, limits: ProxyLimits) -> None:
    """Carry bytes both ways until both have ended.

    Args:
        client: It sent a CONNECT request, and is told here that it succeeded.
        host: Connected; nothing was sent.
        exchange: Names the host; counts the bytes.
        limits: Of which times are used.

    Raises:
        Stopped: A limit was reached, or the client does not speak TLS to this host.
        OSError: A connection broke.
    """
    gate = HelloGate(exchange.host)
    exchange.is_answered = True
    await client.send(_ESTABLISHED)
    try:
        async with asyncio.timeout(limits.head_seconds):
            hello = await _hello(client, gate)
    except TimeoutError:
        raise Stopped("refused", 408, "the ClientHello was not complete in time") from None
    except HelloRefused as refused:
        await client.send(_DENIED)
        raise Stopped("refused", 403, str(refused)) from None
    await _Carrier(client, host, gate, exchange, limits.idle_seconds).run(hello)


async def _hello(client: Line, gate: HelloGate) -> bytes:
    while True:
        data = await client.receive()
        if not data:
            raise HelloRefused("the client left before its ClientHello was complete")
        if passed := gate.from_client(data):
            return passed


class _Carrier(Relay):
    def __init__(self, client: Line, host: Line, gate: HelloGate, exchange: Exchange, idle: float) -> None:
        super().__init__(exchange, idle)
        self._client = client
        self._host = host
        self._gate = gate

    async def run(self, hello: bytes) -> None:
        try:
            await self.both(self._up(hello), self._down())
        except HelloRefused as refused:
            raise Stopped("refused", 403, str(refused)) from None

    async def _up(self, hello: bytes) -> None:
        await self._send_up(hello)
        while data := await self._client.receive():
            self.moved()
            await self._send_up(self._gate.from_client(data))
        if self._gate.is_holding:
            raise HelloRefused("the client left in the middle of its handshake")
        self._host.end()
        self.half()

    async def _down(self) -> None:
        while data := await self._host.receive():
            self.moved()
            self._exchange.count_down(len(data))
            await self._send_up(self._gate.from_server(data))
            await self._client.send(data)
            self.moved()
        self._client.end()
        self.half()

    async def _send_up(self, data: bytes) -> None:
        if data:
            self._exchange.count_up(len(data))
            await self._host.send(data)
            self.moved()
