"""A plain request from inside, carried on over verified TLS with its credential."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import h11

from lab_plugin.network._exchange import Exchange, Stopped
from lab_plugin.network._injection import Credential
from lab_plugin.network._line import Line
from lab_plugin.network._relay import Relay
from lab_plugin.network._secure import SecureLine

# No TRACE: its answer would show the credential.
_METHODS = frozenset({b"DELETE", b"GET", b"HEAD", b"OPTIONS", b"PATCH", b"POST", b"PUT"})
# They belong to one connection, and each side of the proxy has its own.
_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"expect",
        b"host",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"upgrade",
    }
)
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
_HTTPS_PORT = 443
_MAX_HEAD = 64 << 10
_CLOSE = (b"Connection", b"close")


def outgoing(request: h11.Request, path: str, credentials: Sequence[Credential]) -> h11.Request:
    """The request as the host gets it.

    Raises:
        Stopped: Its method is not carried.
    """
    if request.method not in _METHODS:
        raise Stopped("refused", 405, "this method is not carried with a credential")
    first = credentials[0]
    authority = first.host if first.port == _HTTPS_PORT else f"{first.host}:{first.port}"
    replaced = {_folded(credential.header) for credential in credentials}
    kept = [(name, value) for name, value in _end_to_end(request) if _folded(name) not in replaced]
    added = [(credential.header, credential.value) for credential in credentials]
    return h11.Request(
        method=request.method,
        target=path.encode("ascii"),
        headers=[(b"Host", authority.encode("ascii")), *kept, *added, _CLOSE],
    )


class Delivery(Relay):
    """Carries one request and its answer, each as it comes.

    Args:
        client: Its request's head was read; the body comes.
        parser: What reads it.
        host: Where the request goes.
        exchange: Counts the bytes.
        idle: Seconds without a byte before it is ended.
    """

    def __init__(
        self, client: Line, parser: h11.Connection, host: SecureLine, exchange: Exchange, idle: float
    ) -> None:
        super().__init__(exchange, idle)
        self._client = client
        self._parser = parser
        self._line = host
        self._host = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD)

    async def run(self, request: h11.Request) -> None:
        """Carry it.

        Args:
            request: What goes to the host, credential included.

        Raises:
            Stopped: A limit was reached, or one side breaks the protocol.
            OSError: A connection broke.
        """
        try:
            await self.both(self._up(request), self._down())
        except h11.ProtocolError:
            raise Stopped("failed", 502, "the host's answer is malformed or incomplete") from None
        if not self._exchange.is_answered:
            raise Stopped("failed", 504, self._exchange.reason)

    async def _up(self, request: h11.Request) -> None:
        await self._send_up(self._host.send(request))
        while True:
            event = self._next_from_client()
            if isinstance(event, h11.Data):
                await self._send_up(self._host.send(h11.Data(event.data)))
            elif isinstance(event, h11.EndOfMessage):
                await self._send_up(self._host.send(h11.EndOfMessage()))
                return
            else:
                if self._parser.they_are_waiting_for_100_continue:
                    await self._send_down(h11.InformationalResponse(status_code=100, headers=[]))
                self._parser.receive_data(await self._client.receive())
                self.moved()

    def _next_from_client(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        try:
            return self._parser.next_event()
        except h11.RemoteProtocolError:
            raise Stopped("refused", 400, "the request's body is malformed or incomplete") from None

    async def _down(self) -> None:
        while True:
            event = self._host.next_event()
            if event is h11.NEED_DATA:
                data = await self._line.receive()
                self.moved()
                self._exchange.count_down(len(data))
                self._host.receive_data(data)
            elif isinstance(event, h11.Response):
                await self._send_down(_incoming(event))
            elif isinstance(event, h11.Data):
                await self._send_down(h11.Data(event.data))
            elif isinstance(event, h11.EndOfMessage):
                await self._send_down(h11.EndOfMessage())
                self.end_up()
                return

    async def _send_up(self, data: bytes | None) -> None:
        if data:
            self._exchange.count_up(len(data))
            await self._line.send(data)
            self.moved()

    async def _send_down(self, event: h11.Event) -> None:
        data = self._parser.send(event)
        self._exchange.is_answered |= isinstance(event, h11.Response)
        if data:
            await self._client.send(data)
            self.moved()


def _incoming(response: h11.Response) -> h11.Response:
    return h11.Response(
        status_code=response.status_code,
        reason=response.reason,
        headers=[*_end_to_end(response), _CLOSE],
    )


def _end_to_end(message: h11.Request | h11.Response) -> list[tuple[bytes, bytes]]:
    named = _connection_options(value for name, value in message.headers if name == b"connection")
    dropped = _HOP_BY_HOP | (named - _FRAMING)
    return [(name, value) for name, value in message.headers.raw_items() if name.lower() not in dropped]


def _connection_options(values: Iterable[bytes]) -> frozenset[bytes]:
    return frozenset(option.strip().lower() for value in values for option in value.split(b","))


def _folded(header: bytes) -> bytes:
    # Servers that hand headers on as environment variables cannot tell "_" from "-".
    return header.lower().replace(b"_", b"-")
