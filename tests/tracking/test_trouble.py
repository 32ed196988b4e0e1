"""MLflow's troubles never reach a campaign, and are made good when they are over."""

import logging
import shutil
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from lab_plugin.errors import TrackingError
from lab_plugin.tracking import Mirror, Store


def test_four_processes_make_one_good_store(raced_store):
    folder, statuses = raced_store
    assert statuses == [0, 0, 0, 0]
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("SELECT count(*) FROM experiments").fetchone() == (1,)
    assert not (folder / "mlflow.db.new").exists()


def test_a_store_that_is_replaced_under_a_live_mirror(ledger, mirrors, store, raced_store, eventually):
    def ideas() -> int:
        with closing(sqlite3.connect(store.database)) as connection:
            query = "SELECT count(*) FROM tags WHERE key = 'lab.kind' AND value = 'idea'"
            return connection.execute(query).fetchone()[0]

    ledger.verdict(1)
    mirror = mirrors()
    mirror.start()
    mirror.notify()
    eventually(lambda: ideas() == 1)
    for end in ("", "-wal", "-shm"):
        there = store.database.with_name(store.database.name + end)
        if there.exists():
            there.rename(there.with_name("away.db" + end))
    shutil.copyfile(raced_store[0] / "mlflow.db", store.database)
    ledger.verdict(2)
    mirror.notify()
    assert mirror.close(60)
    assert ideas() == 2


@pytest.fixture
def corrupt(store):
    good = store.database.read_bytes()
    store.database.write_bytes(b"garbage " * 4096)
    return lambda: store.database.write_bytes(good)


@pytest.fixture
def locked(store):
    holder = sqlite3.connect(store.database, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    yield lambda: holder.execute("ROLLBACK")
    holder.close()


@pytest.mark.parametrize(("fault", "words"), [("corrupt", "not a database"), ("locked", "locked")])
def test_it_says_so_once_and_catches_up(request, fault, words, ledger, mirrors, seen, eventually, caplog):
    caplog.set_level(logging.INFO, "lab_plugin.tracking")
    mend = request.getfixturevalue(fault)
    ledger.verdict(1)
    mirror = mirrors()
    mirror.start()
    mirror.notify()
    eventually(lambda: words in caplog.text)
    ledger.verdict(2)
    mirror.notify()
    mend()
    eventually(lambda: "caught up" in caplog.messages[-1])
    assert mirror.close(60)
    assert seen.numbers() == [1, 2]
    assert [record.levelname for record in caplog.records if record.name == "lab_plugin.tracking"] == [
        "WARNING",
        "INFO",
    ]


def test_close_tells_when_mlflow_was_not_caught_up(ledger, mirrors, corrupt, caplog):
    ledger.verdict(1)
    mirror = mirrors()
    mirror.start()
    mirror.notify()
    assert not mirror.close(60)
    assert not mirror.close(60)
    assert "lab sync" in caplog.text


def test_a_mirror_that_hears_of_nothing_needs_no_mlflow(ledger, tmp_path):
    mirror = Mirror(Store("sqlite:////proc/none/mlflow.db"), "digits", "deadbeef", ledger)
    mirror.start()
    assert mirror.close(60)


def test_a_ledger_that_fails_does_not_reach_the_caller(mirrors, caplog):
    class Broken:
        def records(self):
            raise RuntimeError("no git here")

    mirror = mirrors(ledger=Broken())
    mirror.start()
    mirror.notify()
    assert not mirror.close(60)
    assert "no git here" in caplog.text


@pytest.mark.parametrize(
    ("content", "remedy"),
    [(b"garbage " * 100, "Move the file away"), ("CREATE TABLE mine (x)", "Move the file away")],
)
def test_check_names_what_is_no_store(store, content, remedy):
    store.database.unlink()
    if isinstance(content, bytes):
        store.database.write_bytes(content)
    else:
        with closing(sqlite3.connect(store.database)) as connection:
            connection.execute(content)
    with pytest.raises(TrackingError) as caught:
        store.check()
    assert remedy in caught.value.remedy


def test_sync_tells_of_a_locked_store(mirror, locked):
    with pytest.raises(TrackingError, match="locked"):
        mirror.sync()


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not installed")
def test_a_read_only_store_is_told_with_a_remedy(store):
    store.database.chmod(0o444)
    store.database.parent.chmod(0o555)
    program = (
        "import sys; from pathlib import Path; from lab_plugin.tracking import Store\n"
        "try: Store.embedded(Path(sys.argv[1])).check()\n"
        "except Exception as error: print(type(error).__name__, error.remedy)"
    )
    # Root may write anything; without this capability its files' modes count for it too.
    powerless = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"]
    command = [sys.executable, "-c", program, str(store.database.parent)]
    done = subprocess.run([*powerless, *command], capture_output=True, text=True)
    store.database.parent.chmod(0o755)
    assert done.stdout.startswith("TrackingError Make "), done.stderr


def test_a_store_that_cannot_be_made_is_told():
    with pytest.raises(TrackingError) as caught:
        Store("sqlite:////proc/none/mlflow.db").check()
    assert "/proc/none" in str(caught.value)


def test_a_server_that_is_down_is_told_at_once():
    # Bound, so that no other program gets it, and not listened at.
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(TrackingError, match="cannot be reached"):
            Store(f"http://127.0.0.1:{taken.getsockname()[1]}").check()


def test_notify_does_not_import_mlflow():
    program = (
        "import sys; import lab_plugin.tracking as t\n"
        "m = t.Mirror(t.Store('sqlite:////proc/none/x.db'), 'a', 'b', None); m.start(); m.close()\n"
        "print(sorted({n.partition('.')[0] for n in sys.modules} & {'mlflow', 'sqlalchemy', 'alembic'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_mirroring_leaves_the_terminal_alone(store, tmp_path):
    program = (
        "import sys; from pathlib import Path; import lab_plugin.tracking as t\n"
        "class L:\n    def records(self): return ()\n"
        "m = t.Mirror(t.Store.embedded(Path(sys.argv[1])), 'a', 'b', L()); m.sync()\n"
        "m.start(); m.notify(); print(m.close(60))"
    )
    command = [sys.executable, "-c", program, str(store.database.parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("True\n", "")
