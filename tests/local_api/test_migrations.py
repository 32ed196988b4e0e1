"""A database whose migration was cut short, or is not this Prefect's."""

from __future__ import annotations

import itertools
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


def killed_halfway(home: Path, port: int) -> int:
    """Kill a first start during its migrations; how many tables it had made."""
    with LocalApi(home, port=port) as api:
        api.start()
        record = load(home)
        assert record is not None
        while tables(home / "prefect.db") < _HALFWAY:
            assert record.alive
            time.sleep(0.005)
        os.kill(record.pid, signal.SIGKILL)
        while record.alive:
            time.sleep(0.01)
        assert api.running() is None
    return tables(home / "prefect.db")


def test_a_first_start_that_was_killed_halfway_goes_on(migrated: Path, tmp_path: Path, port: int) -> None:
    whole = tables(migrated / "prefect.db")
    assert whole > _HALFWAY
    homes = (tmp_path / f"prefect-{number}" for number in itertools.count())
    # Where this process stood still meanwhile, the migrations were over: that says nothing yet.
    home, found = next((home, found) for home in homes if (found := killed_halfway(home, port)) < whole)
    with LocalApi(home, port=port) as api:
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
