"""Reading one request's head, strictly, and answering for ourselves."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

import h11

from lab_plugin.network._exchange import Stopped
from lab_plugin.network._line import Line

_AUTHORITY = re.compile(r"(?P<host>[^:@/?#\\\[\]]+|\[[^\]@/?#\\]*\]):(?P<port>[1-9][0-9]{0,4})")
_ABSOLUTE = re.compile(
    r"(?i:http)://(?P<host>[^:@/?#\\\[\]]+|\[[^\]@/?#\\]*\])(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>/[^#]*)?"
)
_READ = 8 << 10
_MAX_PORT = 65535
_LINGER_SECONDS = 2.0
_LINGER_BYTES = 1 << 20


@dataclass(frozen=True)
class Target:
    """Where a request wants to go, as it was written.

    Attributes:
        host: Unchecked.
        port: 1 to 65535.
        path: What to ask there; empty for a tunnel.
    """

    host: str
    port: int
    path: str = ""


async def read_request(client: Line, parser: h11.Connection, seconds: float) -> h11.Request:
    """The head of the one request on a connection.

    Raises:
        Stopped: It is malformed, too large, too slow, or of a kind that is not served.
        EOFError: The client left without a word.
        OSError: The connection broke.
    """
    try:
        async with asyncio.timeout(seconds):
            return await _read_event(client, parser)
    except TimeoutError:
        raise Stopped("refused", 408, "the request was not complete in time") from None
    except h11.RemoteProtocolError as error:
        if error.error_status_hint == 431:
            raise Stopped("refused", 431, "the head of the request is too large") from None
        raise Stopped("refused", 400, "the request is malformed") from None


async def _read_event(client: Line, parser: h11.Connection) -> h11.Request:
    while True:
        event = parser.next_event()
        if isinstance(event, h11.Request):
            _check(event)
            return event
        if event is not h11.NEED_DATA:
            raise EOFError
        parser.receive_data(await client.receive(_READ))


def _check(request: h11.Request) -> None:
    if request.http_version not in (b"1.0", b"1.1"):
        raise Stopped("refused", 505, "only HTTP/1.1 is spoken here")
    names = [name for name, _ in request.headers]
    if b"content-length" in names and b"transfer-encoding" in names:
        raise Stopped("refused", 400, "the request has two lengths")
    if request.method == b"CONNECT" and (b"content-length" in names or b"transfer-encoding" in names):
        raise Stopped("refused", 400, "a CONNECT request has no body")


def tunnel_target(request: h11.Request) -> Target:
    """The target of a CONNECT request.

    Raises:
        Stopped: It is not `host:port`.
    """
    match = _AUTHORITY.fullmatch(request.target.decode("ascii"))
    if match is None or int(match["port"]) > _MAX_PORT:
        raise Stopped("refused", 400, "the target of CONNECT is not host:port")
    return Target(match["host"], int(match["port"]))


def plain_target(request: h11.Request) -> Target:
    """The target of any other request.

    Raises:
        Stopped: It is not an absolute `http://` address.
    """
    match = _ABSOLUTE.fullmatch(request.target.decode("ascii"))
    port = int(match["port"] or 80) if match else 0
    if match is None or port > _MAX_PORT:
        raise Stopped("refused", 400, "this is a proxy: ask for https:// through CONNECT")
    return Target(match["host"], port, match["path"] or "/")


async def answer(client: Line, stopped: Stopped) -> None:
    """Tell the client why, and let it finish sending, so that it reads the answer.

    Raises:
        OSError: The client is gone.
    """
    body = f"lab network: {stopped.reason}\n".encode("ascii", "backslashreplace")
    await client.send(
        b"HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
        % (stopped.status, b"Refused" if stopped.verdict == "refused" else b"Failed", len(body), body)
    )
    client.end()
    left = _LINGER_BYTES
    async with asyncio.timeout(_LINGER_SECONDS):
        while left > 0 and (data := await client.receive()):
            left -= len(data)
