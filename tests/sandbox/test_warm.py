"""Nothing passes from one fork of a warm interpreter to the next, nor to the interpreter."""

import asyncio
import contextlib
import json
import os
import venv
from pathlib import Path

import pytest

from lab_plugin.errors import SandboxError
from lab_plugin.sandbox import BubblewrapSandbox, ProcessSandbox
from tests.sandbox.warm_attacks import ATTACKS, INNOCENT


def descendants(pid: int) -> list[int]:
    found = [pid]
    for each in found:
        # A process, or one of its threads, may end meanwhile.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for path in Path(f"/proc/{each}/task").iterdir():
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    found += [int(child) for child in (path / "children").read_text().split()]
    return found[1:]


def interpreters() -> set[int]:
    """Warm interpreters below this process, without the forks of them."""
    found = {}
    for pid in descendants(os.getpid()):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
            if line.startswith(b"python") and b"/zygote/start.py" in line:
                stat = Path(f"/proc/{pid}/stat").read_text()
                found[pid] = int(stat.rpartition(")")[2].split()[1])
    return {pid for pid, parent in found.items() if parent not in found}


async def test_an_attack_changes_nothing_for_the_next(bubblewrap, bench):
    (bench.workspace / "innocent.py").write_text(INNOCENT)
    for name, (code, _) in ATTACKS.items():
        (bench.workspace / f"{name}.py").write_text(code.replace("{marker}", bench.marker))

    async def look() -> str:
        execution = await bubblewrap.run(bench.job("python", "innocent.py", warm=("json",)))
        assert (execution.status, execution.warm) == ("ok", True), execution.stderr.read_text()
        return execution.stdout.read_text()

    before = await look()
    for name, (_, wanted) in ATTACKS.items():
        limits = {"wall_seconds": 1.0 if wanted == "timeout" else 30.0, "disk_bytes": 32 << 20}
        execution = await bubblewrap.run(bench.job("python", f"{name}.py", warm=("json",), limits=limits))
        assert execution.warm
        if wanted == "memory" and "memory_total" not in bubblewrap.guarantees:
            # Each process is bounded by itself, and what a child died of is not seen.
            assert execution.status in ("ok", "failed", "timeout")
        else:
            assert execution.status == wanted, (name, execution.stderr.read_text()[-2000:])
        assert bench.alive() == [], name
        assert await look() == before, name


async def test_trials_of_different_trees_share_an_interpreter_and_nothing_else(bubblewrap, bench):
    other = bench.folder / "other"
    other.mkdir(mode=0o755)
    for folder, value in ((bench.workspace, 1), (other, 2)):
        (folder / "helper.py").write_text(f"value = {value}")
        (folder / "main.py").write_text(
            "import helper, json\nprint(helper.value, hasattr(json, 'mark'))\njson.mark = 1"
        )
    before = interpreters()
    said = []
    for folder in (bench.workspace, other, bench.workspace):
        params = bench.folder / f"params{len(said)}.json"
        params.write_text("{}")
        job = bench.job(
            "python",
            "main.py",
            workspace=folder,
            warm=("json", "string"),
            inputs={"LAB_PARAMS": params},
            environment={"LAB_SEED": str(len(said))},
        )
        said.append((await bubblewrap.run(job)).stdout.read_text())
    assert said == ["1 False\n", "2 False\n", "1 False\n"]
    assert len(interpreters() - before) == 1


async def test_trials_at_the_same_time_do_not_meet(bubblewrap, bench):
    (bench.workspace / "meet.py").write_text(
        "import os, pty, socket, time, json\n"
        "master, slave = pty.openpty()\n"
        "server = socket.create_server(('127.0.0.1', 7777))\n"
        "unix = socket.socket(socket.AF_UNIX); unix.bind('\\0meet')\n"
        "before = set(os.listdir('/tmp'))  # the interpreter may lie there\n"
        "open('/tmp/mine', 'w'); open('/dev/shm/mine', 'w')\n"
        "time.sleep(1.5)\n"
        "print(sorted(os.listdir('/dev/pts')), set(os.listdir('/tmp')) - before,\n"
        "      sorted(os.listdir('/dev/shm')),\n"
        "      [name for name in os.listdir('/proc') if name.isdigit()])\n"
    )
    jobs = [bench.job("python", "meet.py", warm=("json",)) for _ in range(3)]
    executions = await asyncio.gather(*(bubblewrap.run(job) for job in jobs))
    expected = "['0', 'ptmx'] {'mine'} ['mine'] ['1', '2']\n"
    assert [execution.stdout.read_text() for execution in executions] == [expected] * 3, executions[
        0
    ].stderr.read_text()


async def test_limits_and_figures_are_of_the_trial_alone(bubblewrap, bench):
    (bench.workspace / "use.py").write_text(
        "import time\nx = bytearray(64 << 20)\nwhile time.process_time() < 0.3: pass\n"
    )
    (bench.workspace / "idle.py").write_text("import time; time.sleep(0.3)")
    jobs = [bench.job("python", name, warm=("json",)) for name in ("use.py", "idle.py", "use.py")]
    first, idle, last = await asyncio.gather(*(bubblewrap.run(job) for job in jobs))
    assert {execution.status for execution in (first, idle, last)} == {"ok"}
    if "memory_total" in bubblewrap.guarantees:
        assert min(first.peak_bytes, last.peak_bytes) > 64 << 20
        assert idle.peak_bytes < 32 << 20
    assert min(first.cpu_seconds, last.cpu_seconds) >= 0.3
    assert idle.cpu_seconds < 0.3


async def test_a_cancelled_trial_leaves_the_interpreter_to_the_next(bubblewrap, bench):
    (bench.workspace / "hang.py").write_text(
        f"import os, time\nos.fork()\nos.execvp('sh', ['sh', '-c', 'sleep 1000; : {bench.marker}'])"
    )
    (bench.workspace / "short.py").write_text("print(1)")
    assert (await bubblewrap.run(bench.job("python", "short.py", warm=("json",)))).warm
    before = interpreters()
    task = asyncio.create_task(bubblewrap.run(bench.job("python", "hang.py", warm=("json",))))
    while not bench.alive():
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.alive() == []
    assert (await bubblewrap.run(bench.job("python", "short.py", warm=("json",)))).warm
    assert interpreters() == before


@pytest.fixture(scope="module")
def odd_modules(tmp_path_factory):
    """A Python that has modules which cannot be shared by forks."""
    folder = tmp_path_factory.mktemp("python")
    venv.create(folder / "env", symlinks=True)
    modules = {
        "keeps_a_file": "file = open('/dev/null')",
        "leaves_a_file": "open('/tmp/left', 'w')",
        "starts_a_thread": "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()",
        "starts_a_process": "import subprocess\nchild = subprocess.Popen(['sleep', '1000'])",
        "shares_memory": "import mmap\nshared = mmap.mmap(-1, 4096)",
        "fails": "raise RuntimeError('no device')",
        "ends": "raise SystemExit(0)",
    }
    (site,) = (folder / "env").glob("lib/python*/site-packages")
    for name, text in modules.items():
        (site / f"{name}.py").write_text(text)
    os.chmod(folder, 0o755)
    return folder / "env" / "bin" / "python", modules


async def test_modules_that_forks_would_share_are_refused(odd_modules, bench):
    python, modules = odd_modules
    (bench.workspace / "short.py").write_text("print(1)")
    before = interpreters()
    sandbox = BubblewrapSandbox(python=python)
    said = {}
    for name in (*modules, "missing"):
        with pytest.raises(SandboxError) as caught:
            await sandbox.run(bench.job("python", "short.py", warm=(name,)))
        said[name] = caught.value.message
        assert "candidate.warm" in caught.value.remedy
    assert interpreters() == before
    # An interpreter below /tmp, which each fork has a new one of, is there all the same.
    (bench.workspace / "again.py").write_text(
        "import os, subprocess, sys\nprint(subprocess.run(['python', '-c', 'print(1)'], text=True, "
        "capture_output=True).stdout, os.path.exists(sys.prefix + '/pyvenv.cfg'))"
    )
    execution = await sandbox.run(bench.job("python", "again.py", warm=("json",)))
    assert (execution.warm, execution.stdout.read_text()) == (True, "1\n True\n"), (
        execution.stderr.read_text()
    )
    await sandbox.close()
    assert "a file is kept open: /dev/null" in said["keeps_a_file"]
    assert "a file was left: /tmp/left" in said["leaves_a_file"]
    assert "1 threads were started" in said["starts_a_thread"]
    assert "a process was started" in said["starts_a_process"]
    assert "memory is shared" in said["shares_memory"]
    assert "RuntimeError: no device" in said["fails"]
    assert "No module named 'missing'" in said["missing"]


async def test_closing_ends_the_interpreters(bench):
    (bench.workspace / "short.py").write_text("print(1)")
    before = interpreters()
    sandbox = BubblewrapSandbox()
    for variable in ("a", "b", "c", "d", "e", "f"):
        job = bench.job("python", "short.py", warm=("json",), environment={"KIND": variable})
        assert (await sandbox.run(job)).warm
    # Environments differ, and so do their interpreters; those that were used last are kept.
    assert len(interpreters() - before) == 4
    await sandbox.close()
    assert interpreters() <= before
    await sandbox.close()


@pytest.mark.parametrize(
    ("command", "changes"),
    [
        (("sh", "-c", "true"), {}),
        (("python", "-c", "pass"), {}),
        (("python", "-u", "train.py"), {}),
        (("python", "-m"), {}),
        (("python",), {}),
        (("python", "train.py"), {"files": {"train.py": "hidden"}}),
        (("python", "train.py"), {"writable": ("train.py",)}),
        (("python", "train.py"), {"warm": ("../x",)}),
    ],
)
async def test_jobs_that_a_fork_cannot_run_are_refused(bubblewrap, bench, command, changes):
    with pytest.raises(SandboxError, match="ahead"):
        await bubblewrap.run(bench.job(*command, **{"warm": ("json",), **changes}))


async def test_a_sandbox_without_forks_starts_a_new_interpreter(bench):
    (bench.workspace / "short.py").write_text("print(1)")
    sandbox = ProcessSandbox()
    execution = await sandbox.run(bench.job("python", "short.py", warm=("json",)))
    await sandbox.close()
    assert (execution.status, execution.warm) == ("ok", False)


async def test_outputs_leave_as_from_a_new_interpreter(bubblewrap, bench):
    (bench.workspace / "write.py").write_text(
        "import json, os\nos.chdir(os.environ['LAB_OUTPUTS'])\nos.mkdir('deep')\n"
        "json.dump(json.load(open(os.environ['LAB_PARAMS'])), open('deep/a', 'w'))\nos.symlink('a', 'b')\n"
    )
    params = bench.folder / "params.json"
    params.write_text('{"lr": 2}')
    job = bench.job(
        "python",
        "write.py",
        warm=("json",),
        inputs={"LAB_PARAMS": params},
        outputs=("deep/a", "b", "c"),
    )
    execution = await bubblewrap.run(job)
    assert json.loads(execution.outputs["deep/a"].read_text()) == {"lr": 2}
    assert execution.refused == {"b": "a symbolic link", "c": "missing"}
