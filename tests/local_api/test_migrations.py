"""A database whose migration was cut short, or is not this Prefect's."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from lab_plugin.errors import ApiError
from lab_plugin.local_api import LocalApi
from lab_plugin.local_api._record import load

_HALFWAY = 12


def tables(database: Path) -> int:
    """How many tables are there already."""
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=0.1)) as connection:
            return int(
                connection.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'").fetchone()[0]
            )
    except sqlite3.Error:
        return 0


def test_a_first_start_that_was_killed_halfway_goes_on(tmp_path: Path, port: int) -> None:
    home = tmp_path / "prefect"
    with LocalApi(home, port=port) as api:
        api.start()
        record = load(home)
        assert record is not None
        while (found := tables(home / "prefect.db")) < _HALFWAY:
            assert record.alive
            time.sleep(0.005)
        os.kill(record.pid, signal.SIGKILL)
        assert api.running() is None, f"{found} tables, and served already"
        while record.alive:
            time.sleep(0.01)
        api.start()
        api.wait(600)
        assert tables(home / "prefect.db") > found
        api.stop()


@pytest.mark.parametrize(
    ("revision", "words"), [("ffffffffffff", "made by a newer Prefect"), ("7f5f335cace3", "half migrated")]
)
def test_another_database_is_named_with_what_to_do(
    migrated: Path, tmp_path: Path, port: int, revision: str, words: str
) -> None:
    home = tmp_path / "prefect"
    shutil.copytree(migrated, home)
    with closing(sqlite3.connect(home / "prefect.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    with LocalApi(home, port=port) as api, pytest.raises(ApiError) as caught:
        api.start()
        api.wait(600)
    assert words in caught.value.remedy
    assert "no verdict is lost" in caught.value.remedy
    assert str(home / "prefect.db") in caught.value.remedy
