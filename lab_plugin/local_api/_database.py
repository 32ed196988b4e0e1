"""How the local API writes to SQLite: one transaction at a time, many rows by one prepared statement."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Self

from prefect.server.database.configurations import SQLITE_BEGIN_MODE, AioSqliteConfiguration
from prefect.server.database.orm_models import Base
from prefect.server.database.query_components import AioSqliteQueryComponents
from sqlalchemy import event
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, AsyncSessionTransaction
from sqlalchemy.pool import ConnectionPoolEntry

_LOG_PAGES = 8_000
_ROW_VALUES = re.compile(r"IN \((VALUES \([^()]*\)(?:, \([^()]*\))*)\)")


class ManyRows(sqlite.Insert):
    """An INSERT that keeps a list of rows as parameters, to be executed once for each.

    SQLAlchemy renders a list given to `values` into the statement's text, anew every time and a millisecond
    per row. Events, states and logs come by the hundred, and the server answers nobody meanwhile.
    """

    # As SQLAlchemy 2.0 has it for SQLite: its upserts have no key to be cached by.
    inherit_cache = False
    rows: list[dict[str, Any]] | None = None

    def values(self, *args: Any, **kwargs: Any) -> Self:
        """See `sqlalchemy.Insert.values`."""
        if kwargs or len(args) != 1 or not isinstance(args[0], list):
            return super().values(*args, **kwargs)
        # Core takes the rows as they are; the ORM would leave out what is None.
        statement = self.execution_options(dml_strategy="raw")
        statement.rows = args[0]
        return statement


class ManyRowsQueries(AioSqliteQueryComponents):
    """Prefect's SQLite queries, whose inserts are `ManyRows`; for sessions of `QueuedSqliteConfiguration`."""

    def insert(self, obj: type[Base]) -> sqlite.Insert:
        """An INSERT into the table of a model."""
        return ManyRows(obj)


class _Session(AsyncSession):
    async def execute(self, statement: Any, params: Any = None, **options: Any) -> Any:
        rows = getattr(statement, "rows", None)
        return await super().execute(statement, params if rows is None else rows, **options)


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

    async def engine(self) -> AsyncEngine:
        """Prefect's engine, whose statements find rows by their indexes."""
        engine = await super().engine()
        if not event.contains(engine.sync_engine, "before_cursor_execute", _by_index):
            event.listen(engine.sync_engine, "before_cursor_execute", _by_index, retval=True)
        return engine

    def setup_sqlite(self, conn: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        """Prefect's settings of a connection, and a log of up to 32 MB before it is written back.

        In a large database the rows of one iteration lie on pages all over the file. More of them are then
        written back once for many iterations.
        """
        super().setup_sqlite(conn, record)
        cursor = conn.cursor()
        cursor.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        cursor.close()

    async def session(self, engine: AsyncEngine) -> AsyncSession:
        """A session that executes `ManyRows`."""
        return _Session(engine, expire_on_commit=False)

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
                    await session.connection()
                    # It has begun. A session that only reads meanwhile is not to wait for the same lock.
                    mode = SQLITE_BEGIN_MODE.set(None)
                    try:
                        yield transaction
                    finally:
                        SQLITE_BEGIN_MODE.reset(mode)
            finally:
                self._holder = None


def _by_index(
    connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
) -> tuple[str, Any]:
    """Have several columns that are looked up in a list found by their index.

    SQLite reads the whole table for `(a, b) IN (VALUES ...)`, and uses the index for the same in a SELECT.
    Prefect asks so for each batch of states of tasks, which would cost more with every task that ever ran.
    """
    return _ROW_VALUES.sub(r"IN (SELECT * FROM (\1))", statement), parameters
