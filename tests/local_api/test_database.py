"""How the local API's database is asked."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from prefect.server.database.orm_models import Base, TaskRun

from lab_plugin.local_api._database import QueuedSqliteConfiguration


async def test_runs_of_tasks_are_found_by_their_index_whatever_ran_before(tmp_path: Path) -> None:
    configuration = QueuedSqliteConfiguration(f"sqlite+aiosqlite:///{tmp_path / 'prefect.db'}")
    engine = await configuration.engine()
    assert await configuration.engine() is engine
    keys = [(uuid4(), "score (final), IN (VALUES (1))", str(number)) for number in range(3)]
    names = (TaskRun.flow_run_id, TaskRun.task_key, TaskRun.dynamic_key)
    wanted = sa.tuple_(*names).in_(keys[1:])
    asked = (
        sa.select(TaskRun.dynamic_key).where(wanted).order_by(TaskRun.dynamic_key),
        sa.select(TaskRun.dynamic_key)
        .where(TaskRun.id.in_([uuid4()]) | wanted)
        .order_by(TaskRun.dynamic_key),
    )
    executed: list[tuple[str, Any]] = []
    plans: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        executed.append((statement, parameters))

    sa.event.listen(engine.sync_engine, "after_cursor_execute", note)
    async with engine.connect() as connection:
        await connection.run_sync(
            Base.metadata.create_all, tables=[Base.metadata.tables[each] for each in ("flow_run", "task_run")]
        )
        await connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        for flow_run, task, dynamic in keys:
            columns = {
                "flow_run_id": flow_run,
                "task_key": task,
                "dynamic_key": dynamic,
                "name": "",
                "tags": [],
            }
            await connection.execute(sa.insert(TaskRun).values(id=uuid4(), **columns))
        for each in asked:
            assert (await connection.execute(each)).scalars().all() == ["1", "2"]
            statement, parameters = executed[-1]
            plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans += [row[-1] for row in plan]
    await engine.dispose()
    assert not [line for line in plans if line.startswith("SCAN task_run")]
    assert [line for line in plans if line.startswith("SEARCH task_run")]


async def test_the_log_is_written_back_once_for_many_iterations(tmp_path: Path) -> None:
    engine = await QueuedSqliteConfiguration(f"sqlite+aiosqlite:///{tmp_path / 'prefect.db'}").engine()
    async with engine.connect() as connection:
        pages = (await connection.exec_driver_sql("PRAGMA wal_autocheckpoint")).scalar()
        mode = (await connection.exec_driver_sql("PRAGMA journal_mode")).scalar()
    await engine.dispose()
    assert (pages, mode) == (8_000, "wal")
