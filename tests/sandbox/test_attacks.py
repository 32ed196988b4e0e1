"""Programs that want out, want to stay, or want to spoil what comes after them."""

import asyncio
import json
import os
import signal
import time
from pathlib import Path

import pytest

from lab_plugin.errors import SandboxUnavailable


def host() -> dict[str, object]:
    """All that a program might leave behind on this machine."""
    groups = {str(path) for path in Path("/sys/fs/cgroup").rglob(f"prefect-lab/{os.getpid()}-*")}
    return {
        "mounts": Path("/proc/self/mountinfo").read_text(),
        "shared": sorted(os.listdir("/dev/shm")),
        "segments": len(Path("/proc/sysvipc/shm").read_text().splitlines()),
        "semaphores": len(Path("/proc/sysvipc/sem").read_text().splitlines()),
        "groups": sorted(groups),
    }


def processes_of(uid: int) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if path.stat().st_uid == uid:
                found.append((path / "comm").read_text())
        except OSError:
            continue
    return found


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


async def test_nothing_is_left_behind(bubblewrap, bench):
    await bubblewrap.run(bench.python("pass"))
    before = host()
    execution = await bubblewrap.run(bench.python(STAY.format(marker=bench.marker)))
    assert execution.status == "ok", execution.stderr.read_text()
    assert not bench.alive()
    assert host() == before
    assert not list(Path("/tmp").glob(f"*{bench.marker}*"))
    found = await bubblewrap.run(bench.python("import os; print(os.listdir('/tmp'), os.listdir('/dev/shm'))"))
    assert bench.marker not in found.stdout.read_text()


BOMBS = {
    "forks": "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    "forks that leave": "import os\nwhile True:\n    try:\n        if os.fork() == 0: os.setsid()\n"
    "    except OSError: pass",
    "threads": "import threading, time\nwhile True:\n"
    "    try: threading.Thread(target=time.sleep, args=(99,)).start()\n    except RuntimeError: pass",
    "stopped": "import os, signal\nfor _ in range(8): os.fork()\nos.kill(0, signal.SIGSTOP)",
    "deaf": "import signal, time\nfor number in range(1, 65):\n    try: signal.signal(number, signal.SIG_IGN)\n"
    "    except (OSError, ValueError): pass\ntime.sleep(99)",
    "self-made groups": "import os, time\nfor _ in range(9):\n    if os.fork() == 0: os.setsid(); os.setpgid(0, 0)"
    " if os.getpgrp() != os.getpid() else None\ntime.sleep(99)",
}


@pytest.mark.parametrize("code", BOMBS.values(), ids=BOMBS)
async def test_a_bomb_of_processes_ends_and_spoils_nothing(sandbox, bench, code):
    limits = {"wall_seconds": 1.0, "processes": 30}
    execution = await sandbox.run(bench.python(f"'{bench.marker}'\n{code}", limits=limits))
    assert execution.status == "timeout", (execution.reason, execution.stderr.read_text())
    assert not bench.alive()
    assert (await sandbox.run(bench.python("pass", limits={"processes": 4}))).status == "ok"


HOARDS = {
    "children": "import os\nfor _ in range(20):\n    if os.fork() == 0: x = bytearray(b'x') * (40 << 20); "
    "import time; time.sleep(99)\nimport time; time.sleep(99)",
    "shared": "import mmap\nx = [mmap.mmap(-1, 32 << 20) for _ in range(20)]\nfor m in x: m.write(b'x' * (32 << 20))",
    "memfd": "import os\nfor n in range(20):\n    f = os.memfd_create(str(n))\n"
    "    for _ in range(32): os.write(f, b'x' * (1 << 20))",
    "tmpfs": "import os\nfor n in range(20):\n    with open(f'/tmp/{n}', 'wb') as f: f.write(b'x' * (32 << 20))",
    "pipes": "import os\nkept = []\nwhile True:\n    a, b = os.pipe(); kept += a, b; os.set_blocking(b, False)\n"
    "    import fcntl\n    try: fcntl.fcntl(b, 1031, 1 << 20)\n    except OSError: pass\n"
    "    try:\n        while True: os.write(b, b'x' * 65536)\n    except OSError: pass",
}


@pytest.mark.parametrize("code", HOARDS.values(), ids=HOARDS)
async def test_memory_in_any_form_is_bounded(bubblewrap, bench, code):
    if "memory_total" not in bubblewrap.guarantees:
        pytest.skip("no control group for memory here")
    limits = {"wall_seconds": 30.0, "memory_bytes": 128 << 20, "disk_bytes": 1 << 30}
    execution = await bubblewrap.run(bench.python(code, limits=limits))
    assert execution.status in ("memory", "failed"), execution
    assert execution.peak_bytes <= 128 << 20
    assert (await bubblewrap.run(bench.python("print('next')"))).stdout.read_text() == "next\n"


async def test_a_storage_full_of_empty_files_is_bounded(bubblewrap, bench):
    code = (
        "import os\nos.chdir('/tmp')\nn = 0\ntry:\n"
        "    while True: os.close(os.open(str(n), os.O_CREAT | os.O_WRONLY)); n += 1\n"
        "except OSError as error: print(n, error.errno)"
    )
    execution = await bubblewrap.run(bench.python(code, limits={"disk_bytes": 1 << 20}))
    if execution.status == "ok":
        count, number = map(int, execution.stdout.read_text().split())
        assert number == 28
        assert count <= 65_536
    assert execution.status in ("ok", "memory", "output")
    assert (await bubblewrap.run(bench.python("pass"))).status == "ok"


REACH = """
import ctypes, glob, json, os, signal
libc = ctypes.CDLL(None, use_errno=True)
done = []
def attempt(what, act):
    try: result = act()
    except (OSError, ValueError): return
    if result not in (-1, False, None, 0) or result is None: done.append(what)
def write(path, data=b'1'):
    with open(path, 'wb', 0) as file: file.write(data)
def read(path):
    with open(path, 'rb', 0) as file: return bool(file.read(64))
for path in ('/proc/sysrq-trigger', '/proc/sys/kernel/core_pattern', '/proc/sys/kernel/hostname',
             '/proc/sys/vm/drop_caches', '/proc/sys/fs/binfmt_misc/register', '/proc/sys/user/max_user_namespaces',
             '/proc/sys/net/ipv4/ip_forward', '/proc/self/uid_map', '/proc/self/gid_map', '/proc/self/setgroups',
             '/proc/1/oom_score_adj', '/proc/1/comm', '/sys/kernel/uevent_helper', '/dev/mem', '/dev/kmsg'):
    attempt('write ' + path, lambda: write(path))
for path in ('/proc/kcore', '/proc/kmsg', '/proc/1/environ', '/proc/1/mem', '/proc/keys', '/proc/timer_list',
             '/etc/shadow', '/root/.bashrc', '/proc/1/root/etc/shadow', '/proc/1/cwd/etc/shadow'):
    if path != '/proc/keys': attempt('read ' + path, lambda: read(path))
attempt('list host', lambda: len(os.listdir('/proc/1/root')) > 14)
attempt('set user', lambda: os.setuid(0))
attempt('set groups', lambda: os.setgroups([0]))
attempt('better priority', lambda: os.nice(-5) is not None)
attempt('better io', lambda: libc.setpriority(0, 0, -20) == 0)
attempt('memory of init', lambda: write('/proc/1/mem'))
attempt('real-time', lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)))
attempt('clock', lambda: __import__('time').clock_settime(0, 1))
attempt('node', lambda: os.mknod('/tmp/disk', 0o60666, os.makedev(254, 0)))
attempt('host descriptors', lambda: any(
    not os.readlink(path).startswith(('/dev/null', 'pipe:', 'anon_inode:[event')) for path in glob.glob('/proc/1/fd/*')))
for path in ('/usr/bin/su', '/usr/bin/mount', '/usr/bin/passwd', '/usr/bin/sudo'):
    if os.path.exists(path): attempt('trusts ' + path, lambda: not os.statvfs(path).f_flag & os.ST_NOSUID)
for number in range(1, 65):
    try: os.kill(1, number)
    except OSError: pass
print(json.dumps(done))
"""


async def test_proc_devices_and_privileges_lead_nowhere(bubblewrap, bench):
    uid = os.getuid()
    victims = processes_of(uid)
    execution = await bubblewrap.run(bench.python(REACH))
    assert execution.status == "ok", (execution.reason, execution.stderr.read_text())
    assert json.loads(execution.stdout.read_text()) == []
    assert victims


async def test_killing_everybody_kills_only_itself(bubblewrap, bench):
    code = "import os, time\nos.fork()\nos.kill(-1, 9)\nos.kill(os.getpid(), 9)"
    execution = await bubblewrap.run(bench.python(code))
    assert (execution.status, execution.signal) == ("failed", signal.SIGKILL)


@pytest.mark.parametrize("which", ["monitor", "init"])
async def test_kill_9_of_bubblewrap_itself(bubblewrap, bench, which):
    code = f"'{bench.marker}'\nimport os, time\nif os.fork() == 0: os.setsid()\ntime.sleep(1000)"
    running = asyncio.create_task(bubblewrap.run(bench.python(code)))
    while len(bench.alive()) < 3:
        await asyncio.sleep(0.01)
    monitors = [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if _text(path).startswith("bwrap") or "/bwrap\0" in _text(path)
        if bench.marker in _text(path)
    ]
    # The monitor is the older of the two.
    os.kill({"monitor": min(monitors), "init": max(monitors)}[which], signal.SIGKILL)
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


async def test_a_series_of_attacks_leaves_the_launcher_as_it_was(bubblewrap, bench):
    def launcher() -> tuple[int, int]:
        (pid,) = (
            int(path.parent.name)
            for path in Path("/proc").glob("[0-9]*/cmdline")
            if "_launcher.spawner" in _text(path)
            and f"PPid:\t{os.getpid()}\n" in _text(path.with_name("status"))
            and int(path.parent.name) == spawner
        )
        return pid, len(os.listdir(f"/proc/{pid}/fd"))

    spawner = bubblewrap._spawner._process.pid if bubblewrap._spawner._process else 0
    if not spawner:
        await bubblewrap.run(bench.python("pass"))
        spawner = bubblewrap._spawner._process.pid
    before, groups = launcher(), host()["groups"]
    jobs = [
        bench.python(code, limits={"wall_seconds": 0.5, "processes": 20, "memory_bytes": 96 << 20})
        for code in (*BOMBS.values(), *HOARDS.values())
    ]
    statuses = [execution.status for execution in await asyncio.gather(*map(bubblewrap.run, jobs))]
    assert set(statuses) <= {"timeout", "memory", "failed", "output"}
    assert not processes_of(1_900_000_001)
    assert launcher() == before
    assert host()["groups"] == groups
    assert (await bubblewrap.run(bench.python("pass"))).status == "ok"


async def test_time_that_is_taken_by_an_attack_is_not_taken_from_the_next(bubblewrap, bench):
    # Its group is gone when `run` returns, so nothing of it can use the processor any more.
    await bubblewrap.run(bench.python(BOMBS["forks"], limits={"wall_seconds": 0.5, "processes": 200}))
    begun, used = time.monotonic(), os.times()
    execution = await bubblewrap.run(bench.python("import time; print(time.process_time())"))
    assert execution.status == "ok"
    assert not processes_of(1_900_000_001)
    assert begun < time.monotonic()
    assert used is not None
