"""A connected socket, without buffers that a peer could fill."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from lab_plugin.network._pace import Pace

CHUNK = 64 << 10


class Line:
    """Sends and receives in pieces; a slow peer holds up its sender, and nobody else.

    Args:
        connected: A connected stream socket; owned from now on.
        pace: Waited for before each piece is received.
    """

    def __init__(self, connected: socket.socket, pace: Pace) -> None:
        connected.setblocking(False)
        self._socket = connected
        self._pace = pace
        self._loop = asyncio.get_running_loop()
        self._sending = asyncio.Lock()
        self._unread = b""

    def unread(self, data: bytes) -> None:
        """Put back what was received too much; it is received next."""
        self._unread = data + self._unread

    async def receive(self, count: int = CHUNK) -> bytes:
        """Up to `count` bytes; empty at the peer's end.

        Raises:
            OSError: The connection broke.
        """
        if self._unread:
            data, self._unread = self._unread[:count], self._unread[count:]
            return data
        await self._pace.wait()
        return await self._loop.sock_recv(self._socket, count)

    async def send(self, data: bytes) -> None:
        """Hand all of it to the kernel.

        Raises:
            OSError: The connection broke.
        """
        async with self._sending:
            await self._loop.sock_sendall(self._socket, data)

    def end(self) -> None:
        """Tell the peer that nothing more comes."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close it, whatever is under way. Idempotent."""
        self._socket.close()
