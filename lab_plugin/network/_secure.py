"""The proxy's own TLS connection to a host."""

from __future__ import annotations

import asyncio
import socket
import ssl

from lab_plugin.network._exchange import Stopped
from lab_plugin.network._line import CHUNK
from lab_plugin.network._pace import Pace


class SecureLine:
    """TLS to a host that proved its name.

    Args:
        reader: Its bytes in the clear.
        writer: Likewise, the other way.
        pace: Waited for before each piece is received.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pace: Pace) -> None:
        self._reader = reader
        self._writer = writer
        self._pace = pace
        writer.transport.set_write_buffer_limits(high=CHUNK)

    @classmethod
    async def open(
        cls, connected: socket.socket, tls: ssl.SSLContext, host: str, seconds: float, pace: Pace
    ) -> SecureLine:
        """Shake hands.

        Args:
            connected: To the host; owned from now on.
            tls: Verifies the host.
            host: The name that it has to prove.
            seconds: To do so.
            pace: See above.

        Raises:
            Stopped: It is not who it should be.
        """
        try:
            reader, writer = await asyncio.open_connection(
                sock=connected, ssl=tls, server_hostname=host, ssl_handshake_timeout=seconds, limit=CHUNK
            )
        except ssl.SSLCertVerificationError as error:
            reason = f"the host's certificate is not valid: {error.verify_message}"
            raise Stopped("failed", 502, reason) from None
        except OSError:
            raise Stopped("failed", 502, "TLS with the host fails") from None
        return cls(reader, writer, pace)

    async def receive(self) -> bytes:
        """Some bytes; empty at the host's end.

        Raises:
            OSError: The connection broke.
        """
        await self._pace.wait()
        return await self._reader.read(CHUNK)

    async def send(self, data: bytes) -> None:
        """Send all of it, as fast as the host takes it.

        Raises:
            OSError: The connection broke.
        """
        self._writer.write(data)
        await self._writer.drain()

    def close(self) -> None:
        """Close it, whatever is under way."""
        self._writer.transport.abort()
