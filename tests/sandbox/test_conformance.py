"""What every kind of sandbox holds; where a kind guarantees less, the test says what it does instead."""

import asyncio
import json
import os
import signal
import sys

import pytest

from lab_plugin.errors import SandboxError

DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp("sh", ["sh", "-c", "sleep 1000; : {marker}"])
    os._exit(0)
os.wait()
time.sleep(0.1)
"""


async def test_runs_and_returns_declared_outputs(sandbox, bench):
    code = (
        "import os; o=os.environ['LAB_OUTPUTS']; os.makedirs(o+'/deep/er')\n"
        "open(o+'/a.bin','wb').write(b'\\0\\1')\n"
        "open(o+'/deep/er/b','w').write('b')\nopen(o+'/c','w').write('c')\n"
        "print('said'); import sys; print('warned', file=sys.stderr)"
    )
    execution = await sandbox.run(bench.python(code, outputs=("a.bin", "deep/er/b")))
    assert (execution.status, execution.reason, execution.exit_code, execution.signal) == ("ok", "", 0, None)
    assert execution.stdout.read_text() == "said\n"
    assert execution.stderr.read_text() == "warned\n"
    assert {name: path.read_bytes() for name, path in execution.outputs.items()} == {
        "a.bin": b"\0\1",
        "deep/er/b": b"b",
    }
    assert execution.refused == {}
    assert execution.sandbox == sandbox.kind
    assert set(execution.guarantees) == sandbox.guarantees
    assert execution.cpu_seconds > 0
    assert (execution.peak_bytes is not None) == ("memory_total" in sandbox.guarantees)
    destination = execution.stdout.parent
    assert {path.name for path in destination.iterdir()} == {"stdout.log", "stderr.log", "outputs"}
    status = execution.outputs["a.bin"].stat()
    assert (status.st_mode & 0o777, status.st_uid) == (0o644, os.getuid())


async def test_environment_is_an_allow_list(sandbox, bench, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "s3cret")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    source = bench.folder / "params.json"
    source.write_text("{}")
    code = "import os, json; print(json.dumps(dict(os.environ)))"
    job = bench.python(
        code,
        inputs={"LAB_PARAMS": source},
        environment={"LAB_SEED": "7"},
        output_variables={"LAB_OUTPUTS": ".", "LAB_CARD": "card.json"},
    )
    seen = json.loads((await sandbox.run(job)).stdout.read_text())
    assert "s3cret" not in str(seen)
    assert set(seen) <= {
        *("PATH", "HOME", "TMPDIR", "LC_ALL", "PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED", "PWD"),
        *("PYTHONNOUSERSITE", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
        *("LAB_PARAMS", "LAB_SEED", "LAB_OUTPUTS", "LAB_CARD"),
    }
    assert seen["LAB_SEED"] == "7"
    assert seen["LAB_PARAMS"].endswith("params.json")
    assert seen["LAB_CARD"] == seen["LAB_OUTPUTS"] + "/card.json"


async def test_no_descriptor_of_the_launcher_is_inherited(sandbox, bench):
    code = (
        "import os\n"
        "def is_open(fd):\n"
        "    try: return bool(os.fstat(fd))\n"
        "    except OSError: return False\n"
        "print([os.readlink(f'/proc/self/fd/{fd}')[:6] for fd in range(3)])\n"
        "print([fd for fd in range(3, 1024) if is_open(fd)])"
    )
    execution = await sandbox.run(bench.python(code))
    assert execution.stdout.read_text().splitlines() == ["['/dev/n', 'pipe:[', 'pipe:[']", "[]"]


async def test_inputs_directory_and_interpreter(sandbox, bench):
    (bench.workspace / "lab").mkdir()
    (bench.workspace / "lab" / "here").write_text("x")
    data = bench.folder / "data"
    data.mkdir()
    (data / "rows").write_text("1,2")
    code = (
        "import os, sys; print(open(os.environ['LAB_DATA']+'/rows').read(), os.listdir('.'), sys.prefix)\n"
        "import tempfile; tempfile.TemporaryFile().write(b'x')"
    )
    execution = await sandbox.run(bench.python(code, directory="lab", inputs={"LAB_DATA": data}))
    prefix = sys.base_prefix if sandbox.kind == "docker" else sys.prefix
    assert execution.stdout.read_text() == f"1,2 ['here'] {prefix}\n", execution.stderr.read_text()


@pytest.mark.parametrize(
    ("code", "exit_code", "number", "reason"),
    [
        ("raise SystemExit(3)", 3, None, "exit status 3"),
        ("import os; os.abort()", None, signal.SIGABRT, "ended by signal 6 (SIGABRT)"),
        ("import os; os.kill(os.getpid(), 9)", None, signal.SIGKILL, "ended by signal 9 (SIGKILL)"),
    ],
)
async def test_a_crash_is_data(sandbox, bench, code, exit_code, number, reason):
    execution = await sandbox.run(bench.python(code))
    assert (execution.status, execution.exit_code, execution.signal) == ("failed", exit_code, number)
    assert execution.reason == reason


@pytest.mark.parametrize("program", ["no-such-program", "/usr/share"])
async def test_a_command_that_cannot_be_executed(sandbox, bench, program):
    execution = await sandbox.run(bench.job(program))
    assert (execution.status, execution.exit_code) == ("failed", 127)
    assert execution.reason.startswith(f"could not be executed: {program}: ")


async def test_a_hang_that_ignores_sigterm_ends_in_time(sandbox, bench):
    code = f"import signal, time; signal.signal(15, signal.SIG_IGN); '{bench.marker}'; time.sleep(1000)"
    execution = await sandbox.run(bench.python(code, limits={"wall_seconds": 0.7}))
    assert execution.status == "timeout"
    assert execution.reason == "did not end within 0.7 s"
    assert execution.wall_seconds >= 0.7
    assert not bench.alive()


async def test_a_flood_is_read_and_dropped(sandbox, bench):
    code = "import os\nfor _ in range(1600): os.write(1, b'x' * 65536)\nos.write(2, b'y' * 1000)"
    execution = await sandbox.run(bench.python(code, limits={"log_bytes": 1000}))
    assert execution.status == "ok"
    kept, _, note = execution.stdout.read_bytes().partition(b"\n")
    assert kept == b"x" * 1000
    assert note == f"[{1600 * 65536 - 1000:,} bytes more were dropped]\n".encode()
    assert execution.stderr.read_bytes() == b"y" * 1000


async def test_a_daemon_that_keeps_the_pipes_open_is_ended(sandbox, bench):
    execution = await sandbox.run(bench.python(DAEMON.format(marker=bench.marker)))
    assert execution.status == "ok"
    assert not bench.alive()


async def test_a_fork_bomb_is_held(sandbox, bench):
    code = (
        "import os, time\n"
        f"'{bench.marker}'; n = 0\n"
        "try:\n"
        "    for n in range(3000):\n"
        "        if os.fork() == 0:\n"
        "            os.setsid(); time.sleep(1000)\n"
        "except OSError: pass\n"
        "print(n)"
    )
    execution = await sandbox.run(bench.python(code, limits={"processes": 20}))
    assert execution.status == "ok"
    assert 10 <= int(execution.stdout.read_text()) <= 20
    assert not bench.alive()


HOG = "x = [bytearray(8 << 20) for _ in range(100)]; print(len(x))"


async def test_a_memory_hog_is_ended(sandbox, bench):
    execution = await sandbox.run(bench.python(HOG, limits={"memory_bytes": 100 << 20}))
    assert execution.status == ("memory" if "oom_detected" in sandbox.guarantees else "failed")


async def test_memory_of_a_child_that_was_killed_is_seen(sandbox, bench):
    if "oom_detected" not in sandbox.guarantees:
        assert "memory_total" not in sandbox.guarantees
        return
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOG!r}])"
    execution = await sandbox.run(bench.python(code, limits={"memory_bytes": 100 << 20}))
    assert (execution.status, execution.exit_code) == ("memory", 0)
    assert execution.peak_bytes <= 100 << 20
    assert execution.reason == f"used more memory than {100 << 20:,} bytes"


# Four processes that want all they can get, and what each of them had, in how long.
BURN = """
import os, time
begun, children = time.monotonic(), []
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        children = []
        break
    children.append(pid)
before = time.process_time()
while time.monotonic() < begun + 2: pass
os.write(1, b"%f %f\\n" % (time.process_time() - before, time.monotonic() - begun))
for pid in children: os.waitpid(pid, 0)
"""


async def test_cpu_time_is_held(sandbox, bench):
    if "memory_total" not in sandbox.guarantees:
        return
    execution = await sandbox.run(bench.python(BURN, limits={"cpus": 0.05, "wall_seconds": 600}))
    assert execution.status == "ok", execution.stderr.read_text()
    had = [tuple(map(float, line.split())) for line in execution.stdout.read_text().splitlines()]
    assert len(had) == 4
    # The kernel may overdraw a period and take it off the next.
    assert sum(cpu for cpu, _ in had) <= 0.1 * max(wall for _, wall in had)


async def test_a_disk_filler_is_ended(sandbox, bench):
    code = (
        "import os\n"
        "for n in range(100):\n"
        "    with open(f\"{os.environ['LAB_OUTPUTS']}/{n}\", 'wb') as f: f.write(b'x' * (4 << 20))\n"
        "import time; time.sleep(100)"
    )
    execution = await sandbox.run(bench.python(code, limits={"disk_bytes": 20 << 20}))
    assert execution.status == "output"
    assert "20,971,520 bytes" in execution.reason


async def test_outputs_are_read_as_an_attacker_would_have_them(sandbox, bench):
    secret = bench.folder / "secret"
    secret.write_text("secret")
    code = (
        "import os; os.chdir(os.environ['LAB_OUTPUTS'])\n"
        f"os.symlink({str(secret)!r}, 'link'); open('one','w').write('x'); os.link('one', 'two')\n"
        "os.mkdir('folder'); os.mkfifo('fifo'); open('big','wb').truncate(10001); os.mkdir('real')\n"
        "open('real/file','w').write('x')\n"
        "os.symlink('real', 'linked'); open('exact','wb').truncate(10000); open('empty','w')\n"
        "import socket; s = socket.socket(socket.AF_UNIX); s.bind('sock')"
    )
    names = ("missing", "link", "one", "two", "fifo", "folder", "big", "linked/file", "one/file", "sock")
    job = bench.python(code, outputs=(*names, "exact", "empty", "no/file"), limits={"file_bytes": 10000})
    execution = await sandbox.run(job)
    assert execution.status == "ok", execution.stderr.read_text()
    assert execution.refused == {
        "missing": "missing",
        "no/file": "missing",
        "link": "a symbolic link",
        "one": "a hard link",
        "two": "a hard link",
        "fifo": "a FIFO",
        "folder": "a directory",
        "sock": "a socket",
        "big": "10,001 bytes, more than 10,000",
        "linked/file": "its folder is a link or no folder",
        "one/file": "its folder is a link or no folder",
    }
    assert {name: path.stat().st_size for name, path in execution.outputs.items()} == {
        "exact": 10000,
        "empty": 0,
    }


async def test_sparse_outputs_do_not_add_up_beyond_the_disk_limit(sandbox, bench):
    code = "import os; os.chdir(os.environ['LAB_OUTPUTS'])\nfor n in 'abc': open(n,'wb').truncate(3 << 20)"
    limits = {"disk_bytes": 8 << 20, "file_bytes": 4 << 20}
    execution = await sandbox.run(bench.python(code, outputs=("a", "b", "c"), limits=limits))
    assert set(execution.outputs) == {"a", "b"}
    assert "all outputs together" in execution.refused["c"]


async def test_a_nest_too_deep_for_any_path_is_cleared(sandbox, bench):
    code = (
        "import os; os.chdir(os.environ['LAB_OUTPUTS'])\n"
        "for _ in range(300): os.mkdir('d' * 100); os.chdir('d' * 100)\n"
        "open('x', 'w')"
    )
    execution = await sandbox.run(bench.python(code))
    assert execution.status == ("ok" if "disk_quota" in sandbox.guarantees else "output")
    assert {path.name for path in execution.stdout.parent.iterdir()} == {
        "stdout.log",
        "stderr.log",
        "outputs",
    }


async def test_jobs_run_at_once_and_apart(sandbox, bench):
    async def one(number: int) -> str:
        code = f"import os, time; time.sleep(0.3); open(os.environ['LAB_OUTPUTS']+'/n','w').write('{number}')"
        execution = await sandbox.run(bench.python(code, outputs=("n",)))
        return execution.outputs["n"].read_text()

    assert await asyncio.gather(*map(one, range(8))) == [str(number) for number in range(8)]


async def test_cancellation_ends_the_job_first(sandbox, bench):
    code = f"import time, signal; signal.signal(15, signal.SIG_IGN); '{bench.marker}'; time.sleep(1000)"
    running = asyncio.create_task(sandbox.run(bench.python(code)))
    while not bench.alive():
        await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not bench.alive()
    assert (await sandbox.run(bench.python("pass"))).status == "ok"


async def test_only_writable_paths_change(sandbox, bench):
    (bench.workspace / "src").mkdir()
    (bench.workspace / "src" / "model.py").write_text("old")
    (bench.workspace / "scorer.py").write_text("score")
    (bench.workspace / "doc").mkdir()
    code = (
        "import os\n"
        "open('train.py','w').write('new'); open('src/model.py','w').write('new')\n"
        "open('src/more.py','w').write('+')\n"
        "os.rename('src/more.py', 'src/renamed.py')\n"
        "for wrong in ('scorer.py', 'doc/other.py', 'src/../scorer.py'):\n"
        "    try: open(wrong,'w').write('evil')\n"
        "    except OSError: print('refused', wrong)"
    )
    job = bench.python(code, role="proposer", writable=("train.py", "src"))
    execution = await sandbox.run(job)
    assert execution.status == "ok", execution.stderr.read_text()
    assert (bench.workspace / "train.py").read_text() == "new"
    assert (bench.workspace / "src" / "model.py").read_text() == "new"
    assert (bench.workspace / "src" / "renamed.py").read_text() == "+"
    assert "disk_quota" not in execution.guarantees
    if "read_only_root" in sandbox.guarantees:
        assert execution.stdout.read_text().count("refused") == 3
        assert (bench.workspace / "scorer.py").read_text() == "score"
        assert not (bench.workspace / "doc" / "other.py").exists()


async def test_writing_in_place_is_bounded(sandbox, bench):
    (bench.workspace / "src").mkdir()
    code = "import time\nfor n in range(9): open(f'src/{n}','wb').write(b'x' * (4 << 20))\ntime.sleep(100)"
    job = bench.python(code, writable=("src",), limits={"disk_bytes": 16 << 20})
    assert (await sandbox.run(job)).status == "output"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"command": ()}, "the command is empty"),
        ({"command": ("a\0b",)}, "NUL byte"),
        ({"command": ("\ud800",)}, "cannot be encoded"),
        ({"command": ("x" * 200_000,)}, "longer than"),
        ({"environment": {"A=B": "1"}}, "'A=B' is no name"),
        ({"outputs": ("../x",)}, "must be relative and stay inside"),
        ({"outputs": ("/x",)}, "must be relative and stay inside"),
        ({"outputs": ("a//b",)}, "must be a plain relative path"),
        ({"directory": "../.."}, "must be relative and stay inside"),
        ({"limits": {"wall_seconds": float("nan")}}, "limit wall_seconds is nan"),
        ({"limits": {"memory_bytes": 0}}, "limit memory_bytes is 0"),
    ],
)
async def test_a_job_that_cannot_be_held_is_refused(sandbox, bench, changes, message):
    with pytest.raises(SandboxError, match=message):
        await sandbox.run(bench.python("pass", **changes))


async def test_a_used_destination_is_refused(sandbox, bench):
    job = bench.python("pass")
    await sandbox.run(job)
    with pytest.raises(SandboxError, match="is not empty"):
        await sandbox.run(job)


async def test_probe_and_close(sandbox):
    await sandbox.probe()
    await sandbox.close()
    await sandbox.close()
    await sandbox.probe()
