"""Whether a service that listens can be used."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from lab_plugin.config import Service
from lab_plugin.services._guarded import Guarded

_HOST = "127.0.0.1"
_ATTEMPT_SECONDS = 10.0
_MOST_BYTES = 4096


async def unready(service: Service, guarded: Guarded) -> str:
    """What is missing until the service can be used; empty when nothing is. Takes at most some seconds.

    Args:
        service: Its table.
        guarded: Its present run.
    """
    if not isinstance(service.ready, str):
        return await guarded.probe(_ATTEMPT_SECONDS)
    try:
        async with asyncio.timeout(_ATTEMPT_SECONDS):
            if service.ready == "tcp":
                return await _accepts(service.port)
            return await _answers(service.ready)
    except (OSError, TimeoutError) as error:
        return f"{service.ready}: {getattr(error, 'strerror', None) or 'no answer'}"


async def _accepts(port: int) -> str:
    _, writer = await asyncio.open_connection(_HOST, port)
    await _close(writer)
    return ""


async def _answers(address: str) -> str:
    parts = urlsplit(address)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    reader, writer = await asyncio.open_connection(_HOST, parts.port or 80, limit=_MOST_BYTES)
    try:
        request = f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
        writer.write(request.encode("ascii"))
        words = (await reader.readline()).split()
    except ValueError:
        words = []
    finally:
        await _close(writer)
    if len(words) < 2 or not words[0].startswith(b"HTTP/"):
        return f"{address}: no answer in HTTP"
    return (
        ""
        if words[1].isdigit() and 200 <= int(words[1]) < 300
        else f"{address}: status {ascii(words[1])[2:-1]}"
    )


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        await writer.wait_closed()
    except OSError:
        return
