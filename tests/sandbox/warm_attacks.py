"""Programs that try to change what the next program finds, and one that looks."""

# What a program finds that another one before it may have tried to change.
INNOCENT = """
import json, os, random, resource, signal, socket, sys
import builtins
with open("/proc/self/status") as file:
    status = dict(line.split(":", 1) for line in file)
def text(path):
    with open(path) as file:
        return file.read()
places = ("/tmp", "/dev/shm", "/lab/outputs", "/dev/pts", "/lab/workspace")
print(json.dumps([
    json.dumps([1]), json.loads("[1]"), 257 - 1, sorted(vars(builtins)), sorted(vars(json)),
    sorted(sys.modules), sys.path, sys.getrecursionlimit(), sys.flags[:], dict(os.environ), os.getcwd(),
    os.umask(0), os.nice(0),
    [resource.getrlimit(kind) for kind in range(16)], signal.getitimer(signal.ITIMER_REAL),
    [str(signal.getsignal(number)) for number in range(1, 65)], sorted(os.sched_getaffinity(0)),
    {name: value for name, value in status.items()
        if name.startswith(("Sig", "Cap", "Uid", "Sec", "NoNew")) and name != "SigQ"},
    sorted(name for name in os.listdir("/proc") if name.isdigit()),
    [sorted(os.listdir(place)) for place in places],
    sorted(os.listdir("/proc/self/fd")), text("/proc/sysvipc/shm"), text("/proc/sysvipc/msg"),
    socket.gethostname(), text("/proc/net/unix").count("@"), os.statvfs("/tmp").f_bfree,
    text("/proc/self/oom_score_adj"), text("/proc/1/oom_score_adj"),
], default=str))
"""

MODULES = """
import json, builtins, os, sys, random
json.dumps = json.loads = lambda *a: "evil"
builtins.evil = 1
builtins.print = lambda *a: None
sys.modules["evil"] = json
os.environ["EVIL"] = "1"
sys.path.insert(0, "/tmp")
sys.setrecursionlimit(50)
random.seed(1)
"""

ADDRESSES = """
import ctypes, json
ctypes.memmove(id(256) + 24, b"\\7\\0\\0\\0", 4)
ctypes.pythonapi.PyDict_SetItemString(ctypes.py_object(vars(json)), b"evil", ctypes.py_object(1))
"""

FILES = """
import os
for place in ("/tmp", "/dev/shm", os.environ["LAB_OUTPUTS"]):
    os.makedirs(place + "/evil/x")
    for name in ("/evil/y", "/json.py"):
        with open(place + name, "w") as file: file.write("evil = 1" * 10_000)
"""

DAEMONS = """
import os, time
for _ in range(5):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execvp("sh", ["sh", "-c", "trap '' TERM HUP; sleep 1000; : {marker}"])
        os._exit(0)
time.sleep(0.2)
"""

SIGNALS = """
import os, signal
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
signal.setitimer(signal.ITIMER_REAL, 1000)
for target in (1, 0, -1):
    for number in (9, 15, 2, 1, 19, 23):
        if target == 1 or number not in (9, 19):
            try: os.kill(target, number)
            except OSError: pass
"""

LIMITS = """
import resource, os
for kind in range(16):
    for change in (lambda: resource.setrlimit(kind, (1, 1)), lambda: resource.prlimit(1, kind, (4096, 4096))):
        try: change()
        except (OSError, ValueError): pass
os.nice(5)
try: os.sched_setaffinity(1, [min(os.sched_getaffinity(0))])
except OSError: pass
os.umask(0o777)
"""

THE_INIT = """
import os
found = []
for pid in {1, os.getppid()}:
    for name in ("fd", "fdinfo", "map_files"):
        try: found.append(os.listdir(f"/proc/{pid}/{name}"))
        except OSError: pass
    for name in ("mem", "environ", "maps", "io"):
        for mode in ("rb", "r+b"):
            try:
                with open(f"/proc/{pid}/{name}", mode) as file: found.append(file.read(1))
            except OSError: pass
    for name in ("cwd", "root", "exe"):
        try: found.append(os.readlink(f"/proc/{pid}/{name}"))
        except OSError: pass
assert not found, found
"""

CALLS = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
results = [
    libc.ptrace(16, 1, 0, 0), libc.unshare(0x10000000), libc.setns(0, 0), libc.sethostname(b"evil", 4),
    libc.mount(b"x", b"/tmp", b"tmpfs", 0, 0), libc.umount2(b"/lab", 2), libc.umount2(b"/proc", 2),
    libc.syscall(429, 0, b"", -100, b"/tmp", 4), libc.process_vm_writev(1, 0, 0, 0, 0, 0),
    libc.prctl(24, 0, 0, 0, 0), libc.syscall(250, 1, 0), libc.chroot(b"/tmp"),
]
assert set(results) == {-1}, results
"""

SHARED_OBJECTS = """
import ctypes, os, pty, socket
listener = socket.socket(socket.AF_UNIX)
listener.bind("\\0evil")
listener.listen()
os.write(pty.openpty()[0], b"x")
libc = ctypes.CDLL(None)
assert libc.shmget(7, 4096, 0o1777) >= 0
assert libc.msgget(7, 0o1777) >= 0
"""

FORK_BOMB = """
import os
while True:
    try: os.fork()
    except OSError: pass
"""

MEMORY = "x = []\nwhile True: x.append(bytearray(1 << 20))"

MEMORY_OF_A_CHILD = """
import os
if os.fork() == 0:
    x = []
    while True: x.append(bytearray(1 << 20))
os.wait()
"""

DISK = """
file = open("/dev/shm/evil", "wb", 0)
while file.write(b"x" * (1 << 20)): pass
"""

FLOOD = """
import os
for _ in range(200):
    os.write(1, b"x" * 65536)
    os.write(2, b"x" * 65536)
"""

STOPPED = """
import os, signal
if os.fork() == 0: os.kill(0, signal.SIGSTOP)
os.wait()
"""

HANG = "import signal, time\nsignal.signal(15, signal.SIG_IGN)\ntime.sleep(1000)"

DESCRIPTORS = """
import os
for fd in range(3, 2000):
    try: os.write(fd, b"evil\\n")
    except OSError: continue
    raise SystemExit(f"wrote to {fd}")
for fd in (0, 1, 2): os.close(fd)
"""

# Program, and the status that is its end.
ATTACKS = {
    "modules": (MODULES, "ok"),
    "addresses": (ADDRESSES, "ok"),
    "files": (FILES, "ok"),
    "daemons": (DAEMONS, "ok"),
    "signals": (SIGNALS, "ok"),
    "limits": (LIMITS, "ok"),
    "the_init": (THE_INIT, "ok"),
    "calls": (CALLS, "ok"),
    "shared_objects": (SHARED_OBJECTS, "ok"),
    "fork_bomb": (FORK_BOMB, "timeout"),
    "memory": (MEMORY, "memory"),
    "memory_of_a_child": (MEMORY_OF_A_CHILD, "memory"),
    "disk": (DISK, "output"),
    "flood": (FLOOD, "ok"),
    "stopped": (STOPPED, "timeout"),
    "hang": (HANG, "timeout"),
    "descriptors": (DESCRIPTORS, "ok"),
}
