"""Which containers are made ahead, who gets one, and what becomes of the others."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import docker
import pytest

from lab_plugin.errors import SandboxError
from lab_plugin.sandbox._docker import _ahead, _config, _end
from lab_plugin.sandbox._docker._alike import Alike
from lab_plugin.sandbox._docker._bundle import program
from lab_plugin.sandbox._docker._engine import Engine
from tests.sandbox import docker_engine
from tests.sandbox.docker_ahead import History, WatchedSandbox, make_ahead, until
from tests.sandbox.test_docker import FIND, LEAVE

DRIVER = Path(__file__).with_name("ahead_driver.py")
READ = "import os; print(open('train.py').read(), [open(os.environ[v]).read()[:9] for v in {inputs}])"


@pytest.fixture
def sandbox(engine: str) -> Iterator[WatchedSandbox]:
    opened = WatchedSandbox()
    history = History(opened)
    yield opened
    asyncio.run(opened.close())
    assert docker_engine.containers(engine, os.getpid()) == history.waiting() == []


def inspected(engine: str, container: str) -> dict:
    with docker_engine.connected(engine) as client:
        return client.inspect_container(container)


def kill(engine: str, container: str) -> None:
    """As the lack of memory, or a person, would; it is removed by itself."""
    with docker_engine.connected(engine) as client:
        client.kill(container)
        with suppress(docker.errors.NotFound):
            client.wait(container, condition="removed")


async def seen_running(sandbox, engine, bench, job) -> dict:
    """What the engine knows of a job's container while it runs."""
    running = asyncio.create_task(sandbox.run(job))
    await until(bench.alive)
    (name,) = docker_engine.containers(engine, os.getpid())
    found = inspected(engine, name)
    running.cancel()
    await asyncio.wait((running,))
    return found


async def test_it_is_made_as_for_its_job_and_becomes_the_jobs(sandbox, engine, bench):
    code = f"'{bench.marker}'; import time; time.sleep(1000)"
    fresh = await seen_running(sandbox, engine, bench, bench.python(code))
    made = await make_ahead(sandbox, bench.python("pass"))
    assert inspected(engine, made)["State"]["Running"]
    found = await seen_running(sandbox, engine, bench, bench.python(code, name="odd name/7"))
    assert found["Id"] == made
    assert found["Name"].startswith("/lab-odd-name-7-")
    assert found["HostConfig"] == fresh["HostConfig"]
    assert {"prefect-lab.job": "test-1", **found["Config"]["Labels"]} == fresh["Config"]["Labels"]
    assert "prefect-lab.job" not in found["Config"]["Labels"]
    assert {**found["Config"], "Labels": {}} == {**fresh["Config"], "Labels": {}}


async def test_nothing_passes_from_one_job_to_the_next(sandbox, engine, bench, monkeypatch):
    monkeypatch.setattr(_ahead, "_CALM_SECONDS", 60.0)
    clean = await sandbox.run(bench.python(FIND))
    assert clean.stdout.read_text() == "[]\n['1']\n1\n"
    history = History(sandbox)
    for _ in range(3):
        # Each in a container of its own, though all but the first are made ahead.
        hoard = "kept = bytearray(b'x') * (200 << 20)\n"
        assert (await sandbox.run(bench.python(hoard + LEAVE))).status == "ok"
        execution = await sandbox.run(bench.python(FIND))
        assert execution.stdout.read_text() == clean.stdout.read_text()
        assert execution.peak_bytes < 100 << 20
    assert len(set(history.taken())) == len(history.taken()) >= 5


async def test_each_job_sees_its_own_inputs_and_changes_none(sandbox, engine, bench, monkeypatch):
    monkeypatch.setattr(_ahead, "_CALM_SECONDS", 60.0)
    large = bench.folder / "large"
    large.write_bytes(b"large" * (1 << 20))
    code = (
        "import os\nfor root, folders, files in os.walk('/lab/inputs'): print(root, sorted(folders), files)\n"
        "print(open(os.environ['LAB_PARAMS']).read(), os.path.getsize(os.environ['LAB_LARGE']))\n"
        "for name in ('x', 'LAB_PARAMS/x', 'LAB_PARAMS/params.json', 'LAB_FOLDER/folder/deep/x'):\n"
        "    try: open('/lab/inputs/' + name, 'w')\n"
        "    except OSError as error: print(error.strerror)"
    )

    def job(number: int):
        own = bench.folder / f"own-{number}"
        (own / "folder" / "deep").mkdir(parents=True)
        (own / "params.json").write_text(f"of job{number}")
        (own / "folder" / "deep" / f"job{number}").write_text("x")
        paths = {"LAB_PARAMS": own / "params.json", "LAB_FOLDER": own / "folder", "LAB_LARGE": large}
        return bench.python(code, inputs=paths)

    history = History(sandbox)
    said = [(await sandbox.run(job(number))).stdout.read_text() for number in range(4)]
    assert len(history.taken()) == 2
    for number, text in enumerate(said):
        assert f"of job{number} {5 << 20}\n" in text
        assert text.count("Read-only file system") == 4
        # Where it is fresh and where it was made ahead, all is at the same paths, and nothing else is there.
        lines, first = (
            one.replace(f"job{n}", "job").splitlines() for n, one in ((number, text), (0, said[0]))
        )
        assert sorted(lines) == sorted(first)


@pytest.mark.parametrize("check", ["on the host", "inside"])
@pytest.mark.parametrize("what", ["workspace", "input"])
async def test_what_was_replaced_meanwhile_is_seen_anew(sandbox, engine, bench, monkeypatch, what, check):
    large = bench.folder / "large"
    large.write_text("old" * (1 << 20))
    inputs = {"LAB_LARGE": large}
    if check == "inside":
        # As if it had been replaced just as the container started.
        monkeypatch.setattr(Alike, "key", lambda _: "same")
    await make_ahead(sandbox, bench.python("pass", inputs=inputs))
    old = bench.folder / "old"
    if what == "workspace":
        bench.workspace.rename(old)
        bench.workspace.mkdir(mode=0o755)
        (bench.workspace / "train.py").write_text("new")
    else:
        large.rename(old)
        large.write_text("new" * (1 << 20))
    history = History(sandbox)
    execution = await sandbox.run(bench.python(READ.format(inputs=list(inputs)), inputs=inputs))
    seen = "new ['oldoldold']" if what == "workspace" else "print('train')\n ['newnewnew']"
    assert (execution.status, execution.stdout.read_text()) == ("ok", f"{seen}\n")
    assert len(history.taken()) == (check == "inside")


async def test_a_workspace_that_was_edited_in_place_is_seen_as_it_is(sandbox, engine, bench):
    made = await make_ahead(sandbox, bench.python("pass"))
    (bench.workspace / "train.py").unlink()
    (bench.workspace / "train.py").write_text("edited")
    history = History(sandbox)
    execution = await sandbox.run(bench.python(READ.format(inputs=[])))
    assert execution.stdout.read_text() == "edited []\n"
    assert history.taken() == [made]


async def test_what_was_mounted_in_the_workspace_meanwhile_counts(sandbox, engine, bench):
    below = bench.workspace / "with space"
    below.mkdir()
    made = await make_ahead(sandbox, bench.python("pass"))
    history = History(sandbox)
    if subprocess.run(["mount", "-t", "tmpfs", "none", below], check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        assert (await sandbox.run(bench.python("pass"))).status == "ok"
    finally:
        subprocess.run(["umount", below], check=True)
    assert history.taken() == []
    assert (await sandbox.run(bench.python("pass"))).status == "ok"
    assert history.taken() == [made]


@pytest.fixture
def kill_as_handed_over(engine, monkeypatch):
    rename = Engine.rename

    def kill_first(self, container, name):
        kill(engine, container)
        rename(self, container, name)

    return lambda: monkeypatch.setattr(Engine, "rename", kill_first)


@pytest.mark.parametrize("when", ["seen", "unseen", "as it is handed over"])
async def test_one_that_died_costs_a_fresh_start(
    sandbox, engine, bench, monkeypatch, kill_as_handed_over, when
):
    made = await make_ahead(sandbox, bench.python("pass"))
    if when == "as it is handed over":
        kill_as_handed_over()
    else:
        kill(engine, made)
        if when == "unseen":
            monkeypatch.setattr(_ahead.Standby, "is_fit", True)
    execution = await sandbox.run(bench.python("print('said'); raise SystemExit(3)"))
    assert (execution.status, execution.exit_code) == ("failed", 3)
    assert execution.stdout.read_text() == "said\n"


async def test_where_none_is_of_use_no_more_are_made(sandbox, engine, bench, kill_as_handed_over):
    kill_as_handed_over()
    history = History(sandbox)
    for _ in range(7):
        assert (await sandbox.run(bench.python("pass"))).status == "ok"
    assert len(history.made()) == 3


async def test_one_that_died_of_its_program_runs_nothing_twice(sandbox, engine, bench):
    """The first process is killed with the program: what began is not begun again."""
    await make_ahead(sandbox, bench.python("pass"))
    history = History(sandbox)
    job = bench.python(f"'{bench.marker}'; import time; time.sleep(1000)")
    running = asyncio.create_task(sandbox.run(job))
    await until(bench.alive)
    kill(engine, docker_engine.containers(engine, os.getpid())[0])
    with pytest.raises(SandboxError, match="ended from outside"):
        await running
    assert set(history.that("create")) <= set(history.made())


async def test_an_old_one_is_not_given_to_a_job(sandbox, engine, bench, monkeypatch):
    made = await make_ahead(sandbox, bench.python("pass"))
    history = History(sandbox)
    monkeypatch.setattr(_ahead, "OLDEST_SECONDS", 0.0)
    assert (await sandbox.run(bench.python("pass"))).status == "ok"
    assert history.taken() == []
    await until(lambda: not sandbox.exists(made))


async def test_one_that_nobody_wants_ends_by_itself(sandbox, engine, bench, monkeypatch):
    monkeypatch.setattr(_config, "STANDBY_SECONDS", 1.0)
    made = await make_ahead(sandbox, bench.python("pass"))
    await until(lambda: not sandbox.exists(made))
    assert (await sandbox.run(bench.python("pass"))).status == "ok"


@pytest.mark.parametrize("heard", [0, 4, 10_000])
async def test_one_that_never_hears_all_of_its_program_ends_by_itself(
    sandbox, engine, bench, monkeypatch, heard
):
    """An engine that is killed while it comes is not the only one that can lose it."""
    monkeypatch.setattr(_config, "SILENCE_SECONDS", 5.0)
    monkeypatch.setattr(_ahead, "program", lambda standby: program(standby)[:heard])
    made = await make_ahead(sandbox, bench.python("pass"))
    await until(lambda: not sandbox.exists(made))


async def test_one_whose_engine_died_ends_by_itself(bench, monkeypatch):
    """Its stdin stays open then, held by nobody."""
    with docker_engine.only_engine(monkeypatch) as host:
        monkeypatch.setattr(_config, "STANDBY_SECONDS", 10.0)
        sandbox = WatchedSandbox()
        made = await make_ahead(sandbox, bench.python("pass"))
        os.kill(docker_engine.pid_of(host), signal.SIGKILL)
        assert _end.processes(made)
        await until(lambda: not _end.processes(made))
        await sandbox.close()


async def test_others_never_take_it(sandbox, engine, bench):
    other = bench.folder / "other"
    other.mkdir(mode=0o755)
    (other / "train.py").write_text("")
    data = bench.folder / "data"
    data.mkdir()
    (data / "large").write_bytes(bytes(2 << 20))
    made = await make_ahead(sandbox, bench.python("pass"))
    history = History(sandbox)
    for changes in (
        {"limits": {"memory_bytes": 256 << 20}},
        {"limits": {"disk_bytes": 32 << 20}},
        {"limits": {"processes": 32}},
        {"limits": {"cpus": 0.5}},
        {"role": "scorer"},
        {"workspace": other},
        {"inputs": {"LAB_DATA": data}},
        {"inputs": {"LAB_SMALL": bench.workspace / "train.py"}},
        {"files": {"train.py": "hidden"}},
        {"files": {"train.py": "rw"}},
        {"writable": ("train.py",)},
    ):
        assert (await sandbox.run(bench.python("pass", **changes))).status == "ok", changes
    with docker_engine.connected(engine) as client:
        has_cards = "nvidia" in client.info()["Runtimes"]
    if not has_cards:
        with pytest.raises(SandboxError, match="no such GPUs"):
            await sandbox.run(bench.python("pass", gpus=("7",)))
    assert history.taken() == []
    assert (await sandbox.run(bench.python("pass"))).status == "ok"
    assert history.taken() == [made]


async def test_there_is_one_for_a_description_and_a_bound_for_all(sandbox, engine, bench, monkeypatch):
    monkeypatch.setattr(_ahead, "MOST", 2)
    history = History(sandbox)
    for processes in (11, 12, 13):
        job = bench.python("pass", limits={"processes": processes})
        await make_ahead(sandbox, job)
    await until(lambda: len(history.waiting()) == 2)
    assert not sandbox.exists(history.made()[0])
    all_have_looked = threading.Barrier(4)
    take = sandbox._ahead.take

    def take_at_once(*arguments, **keywords):
        taken = take(*arguments, **keywords)
        all_have_looked.wait(60)
        return taken

    # None of the four ends before the others have looked for one.
    monkeypatch.setattr(sandbox._ahead, "take", take_at_once)
    for _ in range(2):
        # All at once: one takes it, and one is made again.
        jobs = [bench.python("pass", limits={"processes": 13}) for _ in range(4)]
        await asyncio.gather(*map(sandbox.run, jobs))
        await until(lambda: len(history.waiting()) == 2)
    assert len(history.taken()) == 2


async def test_none_is_made_for_one_job_for_long_ones_or_for_what_was_cancelled(
    sandbox, engine, bench, monkeypatch
):
    history = History(sandbox)
    await sandbox.run(bench.python("pass"))
    for _ in range(2):
        job = bench.python(f"'{bench.marker}'; import time; time.sleep(1000)", role="scorer")
        running = asyncio.create_task(sandbox.run(job))
        await until(bench.alive)
        running.cancel()
        await asyncio.wait((running,))
    monkeypatch.setattr(_ahead, "_LONG_SECONDS", 0.0)
    for _ in range(3):
        await sandbox.run(bench.python("pass"))
    # What was begun is at its end.
    await sandbox.close()
    assert history.made() == []


async def test_a_program_that_is_measured_waits_until_none_is_made(sandbox, engine, bench, monkeypatch):
    monkeypatch.setattr(_ahead, "_CALM_SECONDS", 60.0)
    await sandbox.run(bench.python("pass", role="scorer"))
    history = History(sandbox)
    await sandbox.run(bench.python("pass", role="scorer"))
    job = bench.python("pass")
    await sandbox.run(job)
    (made,) = history.made()
    happened = [event[:2] for event in history.events()]
    (begun,) = (
        event[:2] for event in history.events() if event.action == "create" and job.name in event.name
    )
    assert happened.index(("start", made)) < happened.index(begun)


async def test_close_ends_those_that_wait_and_those_being_made(sandbox, engine, bench):
    history = History(sandbox)
    await make_ahead(sandbox, bench.python("pass"))
    for _ in range(2):
        await sandbox.run(bench.python("pass", role="scorer"))
    await sandbox.close()
    assert history.made()
    assert history.waiting() == []
    assert (await sandbox.run(bench.python("pass"))).status == "ok"
    assert len(history.taken()) == 0


def test_kill_9_of_the_lab_leaves_none(engine, bench):
    environment = {**os.environ, "DOCKER_HOST": engine}
    driver = subprocess.Popen([sys.executable, DRIVER, bench.folder], env=environment, stdout=subprocess.PIPE)
    try:
        assert driver.stdout.readline() == b"made\n"
        assert docker_engine.waiting(engine, driver.pid)
    finally:
        driver.kill()
        driver.communicate()
    asyncio.run(until(lambda: not docker_engine.waiting(engine, driver.pid)))
