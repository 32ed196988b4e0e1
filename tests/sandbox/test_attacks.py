"""Programs that want out, want to stay, or want to spoil what comes after them."""

import asyncio
import json
import os
import signal
import time
from pathlib import Path

import pytest

from lab_plugin.errors import SandboxUnavailable
from tests.sandbox.test_warm_crashes import children


def groups() -> list[str]:
    """This process's control groups; those of others may go while they are looked through."""
    here = f"{os.getpid()}-"
    found = (
        f"{folder}/{name}"
        for folder, names, _ in os.walk("/sys/fs/cgroup")
        for name in names
        if folder.endswith("/prefect-lab") and name.startswith(here)
    )
    return sorted(found)


def mounts(own: Path) -> list[str]:
    """The machine's mounts, but for those of other tests: in their folders, and of their engines."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    mine = (line for line in lines if "/pytest-of-" not in line or str(own) in line)
    return [line for line in mine if not any(word in line for word in ("overlay", "docker", "/lab-engine-"))]


def objects(kind: str) -> list[str]:
    """The machine's System V objects under the key that `STAY` uses; servers of other tests have others."""
    lines = Path("/proc/sysvipc", kind).read_text().splitlines()
    return [line for line in lines if line.split()[0] == "77"]


def host(bench) -> dict[str, object]:
    """All that a program might leave behind on this machine, without what other tests have there."""
    return {
        "mounts": mounts(bench.folder),
        "shared": sorted(name for name in os.listdir("/dev/shm") if bench.marker in name),
        "segments": objects("shm"),
        "semaphores": objects("sem"),
        "groups": groups(),
    }


STAY = """
import ctypes, mmap, os, socket, time
libc = ctypes.CDLL(None, use_errno=True)
assert libc.shmget(77, 4096, 0o1666) >= 0, 'no segment'
assert libc.semget(77, 1, 0o1666) >= 0
for folder in ('/dev/shm', '/tmp', os.environ['LAB_OUTPUTS']):
    open(folder + '/left-{marker}', 'w').write('x')
    os.mkfifo(folder + '/fifo-{marker}')
    socket.socket(socket.AF_UNIX).bind(folder + '/socket-{marker}')
libc.inotify_init()
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.closerange(0, 99)
            os.execvp('sh', ['sh', '-c', 'trap "" TERM INT HUP; while :; do sleep 1000; done; : {marker}'])
        os._exit(0)
time.sleep(0.2)
"""


async def test_nothing_is_left_behind(contained, bench):
    await contained.run(bench.python("pass"))
    before = host(bench)
    execution = await contained.run(bench.python(STAY.format(marker=bench.marker)))
    assert execution.status == "ok", execution.stderr.read_text()
    assert not bench.alive()
    assert host(bench) == before
    assert not list(Path("/tmp").glob(f"*{bench.marker}*"))
    found = await contained.run(bench.python("import os; print(os.listdir('/tmp'), os.listdir('/dev/shm'))"))
    assert bench.marker not in found.stdout.read_text()


BOMBS = {
    "forks": """
import os
while True:
    try: os.fork()
    except OSError: pass
""",
    "forks that leave": """
import os
while True:
    try:
        if os.fork() == 0: os.setsid()
    except OSError: pass
""",
    "threads": """
import threading, time
while True:
    try: threading.Thread(target=time.sleep, args=(99,)).start()
    except RuntimeError: pass
""",
    "stopped": """
import os, signal
for _ in range(3): os.fork()
os.kill(0, signal.SIGSTOP)
""",
    "deaf": """
import signal, time
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
time.sleep(99)
""",
    "groups of their own": """
import os, time
for _ in range(4):
    if os.fork() == 0: os.setsid() if _ % 2 else os.setpgid(0, 0)
time.sleep(99)
""",
}


@pytest.mark.parametrize("code", BOMBS.values(), ids=BOMBS)
async def test_a_bomb_of_processes_ends_and_spoils_nothing(launched, bench, code):
    limits = {"wall_seconds": 1.0, "processes": 30}
    execution = await launched.run(bench.python(f"'{bench.marker}'\n{code}", limits=limits))
    assert execution.status == "timeout", (execution.reason, execution.stderr.read_text())
    assert not bench.alive()
    assert (await launched.run(bench.python("pass", limits={"processes": 4}))).status == "ok"


HOARDS = {
    "children": """
import os, socket
hold, go = socket.socketpair()
told = []
for _ in range(8):
    filled, tell = socket.socketpair()
    if os.fork() == 0:
        go.close()
        x = bytearray(b'x') * (40 << 20)
        tell.send(b'x')
        hold.recv(1)
        os._exit(0)
    tell.close()
    told.append(filled)
for filled in told: filled.recv(1)
go.close()
raise SystemExit(any([os.wait()[1] for _ in range(8)]))
""",
    "shared": """
import mmap
kept = [mmap.mmap(-1, 32 << 20) for _ in range(20)]
for one in kept: one.write(b'x' * (32 << 20))
""",
    "memfd": """
import os
for number in range(20):
    file = os.memfd_create(str(number))
    for _ in range(32): os.write(file, b'x' * (1 << 20))
""",
    "tmpfs": """
for number in range(20):
    with open(f'/tmp/{number}', 'wb') as file: file.write(b'x' * (32 << 20))
""",
    "pipes": """
import fcntl, os
kept = []
while True:
    kept += os.pipe()
    os.set_blocking(kept[-1], False)
    try: fcntl.fcntl(kept[-1], 1031, 1 << 20)
    except OSError: pass
    try:
        while True: os.write(kept[-1], b'x' * 65536)
    except OSError: pass
""",
}


@pytest.mark.parametrize("code", HOARDS.values(), ids=HOARDS)
async def test_memory_in_any_form_is_bounded(bubblewrap, bench, code):
    if "memory_total" not in bubblewrap.guarantees:
        pytest.skip("no control group for memory here")
    limits = {"wall_seconds": 30.0, "memory_bytes": 128 << 20, "disk_bytes": 1 << 30}
    execution = await bubblewrap.run(bench.python(code, limits=limits))
    # Of all that the kernel counts, only the space of pipes is refused instead of ended.
    assert execution.status == "memory" or "pipe" in code
    assert execution.peak_bytes <= 128 << 20
    assert (await bubblewrap.run(bench.python("print('next')"))).stdout.read_text() == "next\n"


async def test_containers_hold_every_bomb_and_hoard_at_once(docker_sandbox, bench):
    """At once, since each container costs its start."""
    bomb = {"wall_seconds": 1.0, "processes": 30}
    hoard = {"wall_seconds": 60.0, "memory_bytes": 128 << 20, "disk_bytes": 1 << 30}
    marked = f"'{bench.marker}'\n"
    bombs = [bench.python(marked + code, limits=bomb) for code in BOMBS.values()]
    hoards = [bench.python(marked + code, limits=hoard) for code in HOARDS.values()]
    executions = await asyncio.gather(*map(docker_sandbox.run, [*bombs, *hoards]))
    assert not bench.alive()
    for execution in executions[: len(bombs)]:
        assert execution.status == "timeout", (execution.reason, execution.stderr.read_text())
    for name, execution in zip(HOARDS, executions[len(bombs) :], strict=True):
        assert execution.status == "memory" or name == "pipes", execution.reason
        assert execution.peak_bytes <= 128 << 20
    assert (await docker_sandbox.run(bench.python("pass", limits={"processes": 4}))).status == "ok"


async def test_a_storage_full_of_empty_files_is_bounded(contained, bench):
    code = (
        "import os\nos.chdir('/tmp')\nn = 0\ntry:\n"
        "    while True: os.close(os.open(str(n), os.O_CREAT | os.O_WRONLY)); n += 1\n"
        "except OSError as error: print(n, error.errno)"
    )
    execution = await contained.run(bench.python(code, limits={"disk_bytes": 1 << 20}))
    if execution.status == "ok":
        count, number = map(int, execution.stdout.read_text().split())
        assert number == 28
        assert count <= 65_536
    assert execution.status in ("ok", "memory", "output")
    assert (await contained.run(bench.python("pass"))).status == "ok"


@pytest.mark.parametrize("hide", ["unlink", "chmod"])
async def test_what_is_hidden_while_it_grows_on_the_hosts_disk_counts(sandbox, bench, hide):
    (bench.workspace / "src").mkdir()
    hiding = {"unlink": "[os.unlink(file.name) for file in kept]", "chmod": "os.chmod('src/x', 0)"}
    code = (
        "import os, time\nos.mkdir('src/x')\n"
        f"kept = [open(f'src/x/{{n}}', 'wb', 0) for n in range(8)]\n{hiding[hide]}\n"
        "for file in kept: file.write(b'x' * (4 << 20))\ntime.sleep(99)"
    )
    job = bench.python(code, files={"src": "rw"}, limits={"disk_bytes": 16 << 20, "wall_seconds": 20.0})
    execution = await sandbox.run(job)
    # A program of the launcher's own user can shut a folder against it.
    shut = hide == "chmod" and sandbox.kind == "process" and os.getuid() != 0
    assert execution.status == ("timeout" if shut else "output"), execution


REACH = """
import ctypes, glob, json, os, time
libc = ctypes.CDLL(None, use_errno=True)
done = []
def attempt(what, act):
    try: worked = act()
    except (OSError, ValueError): return
    if worked: done.append(what)
def write(path, data=b'1'):
    with open(path, 'wb', 0) as file: return file.write(data)
def read(path):
    with open(path, 'rb', 0) as file: return file.read(64)
def did(act, *arguments): return act(*arguments) is None
def foreign(path): return not os.readlink(path).startswith(('/dev/null', 'pipe:', 'anon_inode:[event'))
for path in (
    '/proc/sysrq-trigger', '/proc/sys/kernel/core_pattern', '/proc/sys/kernel/hostname',
    '/proc/sys/vm/drop_caches', '/proc/sys/fs/binfmt_misc/register', '/proc/sys/net/ipv4/ip_forward',
    '/proc/sys/user/max_user_namespaces', '/proc/self/uid_map', '/proc/self/gid_map', '/proc/1/comm',
    '/proc/self/setgroups', '/proc/1/mem', '/sys/kernel/uevent_helper', '/dev/mem', '/dev/kmsg',
): attempt('write ' + path, lambda: write(path))
for path in (
    '/proc/kcore', '/proc/kmsg', '/proc/1/environ', '/proc/1/mem', '/proc/timer_list', '/etc/shadow',
    '/root/.bashrc', '/proc/1/root/etc/shadow', '/proc/1/cwd/etc/shadow',
): attempt('read ' + path, lambda: read(path))
attempt('less likely to be ended than the lab', lambda: write('/proc/self/oom_score_adj', b'-1'))
attempt('set user', lambda: did(os.setuid, 0))
attempt('set group', lambda: did(os.setgid, 0))
attempt('set groups', lambda: did(os.setgroups, [0]))
attempt('better priority', lambda: did(os.setpriority, 0, 0, -5))
attempt('real-time', lambda: did(os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(1)))
attempt('clock', lambda: did(time.clock_settime, 0, 1))
attempt('device', lambda: did(os.mknod, '/tmp/disk', 0o60666, os.makedev(254, 0)))
attempt('chroot', lambda: did(os.chroot, '/tmp'))
attempt('descriptors of init', lambda: [path for path in glob.glob('/proc/1/fd/*') if foreign(path)])
for path in glob.glob('/usr/bin/*'):
    if os.path.isfile(path) and os.stat(path).st_mode & 0o6000:
        attempt('trusts ' + path, lambda: not os.statvfs(path).f_flag & os.ST_NOSUID)
for number in range(1, 65):
    try: os.kill(1, number)
    except OSError: pass
print(json.dumps(done))
"""


async def test_proc_devices_and_privileges_lead_nowhere(contained, bench):
    execution = await contained.run(bench.python(REACH))
    assert execution.status == "ok", (execution.reason, execution.stderr.read_text())
    assert json.loads(execution.stdout.read_text()) == []


async def test_killing_everybody_kills_only_itself(contained, bench):
    code = "import os, time\nos.fork()\nos.kill(-1, 9)\nos.kill(os.getpid(), 9)"
    execution = await contained.run(bench.python(code))
    assert (execution.status, execution.signal) == ("failed", signal.SIGKILL)


@pytest.mark.parametrize("which", ["monitor", "init"])
async def test_kill_9_of_bubblewrap_itself(bubblewrap, bench, which):
    code = f"'{bench.marker}'\nimport os, time\nif os.fork() == 0: os.setsid()\ntime.sleep(1000)"
    running = asyncio.create_task(bubblewrap.run(bench.python(code)))
    # The program and its child: before that, a third bubblewrap may be about to become the program.
    while sum(line.startswith("python ") for line in bench.alive()) < 2:
        await asyncio.sleep(0.01)
    both = {
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if "/bwrap\0" in _text(path)
        if bench.marker in _text(path)
    }
    (init,) = (
        pid for pid in both if int(_text(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()[1]) in both
    )
    os.kill(init if which == "init" else (both - {init}).pop(), signal.SIGKILL)
    if which == "monitor":
        with pytest.raises(SandboxUnavailable):
            await running
    else:
        try:
            execution = await running
        except SandboxUnavailable:
            pass
        else:
            assert (execution.status, execution.signal) == ("failed", signal.SIGKILL)
    assert not bench.alive()
    assert (await bubblewrap.run(bench.python("pass"))).status == "ok"


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


async def test_a_series_of_attacks_leaves_the_launchers_as_they_were(bubblewrap, bench):
    def launchers() -> dict[str, int]:
        """Process id -> number of open descriptors."""
        found = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
        return {
            pid: len(os.listdir(f"/proc/{pid}/fd"))
            for pid in found
            if "_launcher.spawner" in _text(Path("/proc", pid, "cmdline"))
        }

    def is_at_rest(pid: str) -> bool:
        """A supervisor stands by for the next job, and those of earlier jobs are gone."""
        below = [children(supervisor) for supervisor in children(int(pid))]
        lines = (_text(Path(f"/proc/{child}/cmdline")) for found in below for child in found)
        return all(below) and any("_launcher.spawner" in line for line in lines)

    async def at_rest() -> dict[str, int]:
        deadline = time.monotonic() + 60
        while not all(map(is_at_rest, launchers())):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        return launchers()

    await bubblewrap.run(bench.python("pass"))
    before, groups = await at_rest(), host(bench)["groups"]
    assert before
    limits = {"wall_seconds": 0.5, "processes": 20, "memory_bytes": 96 << 20}
    codes = (*BOMBS.values(), *HOARDS.values())
    jobs = [bench.python(f"'{bench.marker}'\n{code}", limits=limits) for code in codes]
    executions = await asyncio.gather(*map(bubblewrap.run, jobs))
    assert {execution.status for execution in executions} <= {"timeout", "memory", "failed", "output"}
    assert not bench.alive()
    # It lets go of a job's descriptors only after `run` returned.
    deadline = time.monotonic() + 60
    while True:
        after = await at_rest()
        if after.keys() == before.keys() and all(after[pid] <= before[pid] for pid in before):
            break
        assert time.monotonic() < deadline, f"{before} became {after}"
        await asyncio.sleep(0.01)
    assert host(bench)["groups"] == groups
    assert (await bubblewrap.run(bench.python("pass"))).status == "ok"
