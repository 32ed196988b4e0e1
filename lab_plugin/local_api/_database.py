"""How the local API writes to SQLite: one transaction at a time, in the order of arrival."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from prefect.server.database.configurations import AioSqliteConfiguration
from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction


class QueuedSqliteConfiguration(AioSqliteConfiguration):
    """Prefect's SQLite configuration, with transactions that never meet a lock.

    Stock transactions are deferred: they read, then ask for the write lock, and SQLite answers SQLITE_BUSY at
    once when another writer came in between. The API turns that into a 503 and the client sleeps two seconds.
    Here a transaction takes the write lock before it reads. SQLite's own wait for that lock is a poll of
    up to 100 ms without any order, so transactions queue for it in this process first.
    """

    def __init__(self, connection_url: str) -> None:
        super().__init__(connection_url=connection_url)
        self._turn = asyncio.Lock()
        self._holder: asyncio.Task[object] | None = None

    @asynccontextmanager
    async def begin_transaction(
        self, session: AsyncSession, with_for_update: bool = False
    ) -> AsyncGenerator[AsyncSessionTransaction, None]:
        """Enter a transaction that holds the write lock from its first statement."""
        if self._holder is asyncio.current_task():
            # A second session inside a transaction would wait for itself: it stays as Prefect made it.
            async with super().begin_transaction(session, with_for_update) as transaction:
                yield transaction
            return
        async with self._turn:
            self._holder = asyncio.current_task()
            try:
                async with super().begin_transaction(session, with_for_update=True) as transaction:
                    yield transaction
            finally:
                self._holder = None
