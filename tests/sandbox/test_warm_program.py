"""A fork of a warm interpreter does what a new interpreter does, as far as a program can tell."""

import json
import re
from pathlib import Path

import pytest

from lab_plugin.sandbox import Execution, Job, Sandbox

# What differs by nature: ids of namespaces and devices, times, addresses.
LOOK = """
import json
import ctypes, os, resource, socket, stat, sys, threading

def called(function, *arguments):
    try:
        return function(*arguments)
    except OSError as error:
        return error.errno

def status():
    with open("/proc/self/status") as file:
        lines = dict(line.rstrip().split(":", 1) for line in file)
    names = [name for name in lines if name.startswith(("Sig", "Shd", "Cap", "Seccomp", "NoNew", "Uid", "Gid",
             "Groups", "NS", "Threads", "Umask", "TracerPid", "PPid", "CoreDumping"))]
    return {name: lines[name] for name in names if name != "SigQ"}

def loopback():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), 5).close()
    return True

tops = {name.partition(".")[0] for name in sys.modules}
found = {
    "argv": sys.argv, "orig_argv": sys.orig_argv, "path": sys.path, "flags": list(sys.flags),
    "modules": sorted(tops), "main": {key: str(value) for key, value in vars(sys.modules["__main__"]).items()
        if key.startswith("__") and key not in ("__loader__", "__builtins__", "__spec__")},
    "spec": __spec__ and [__spec__.name, __spec__.origin, __spec__.cached, __spec__.parent],
    "loader": type(__loader__).__name__, "builtins": type(__builtins__).__name__,
    "importers": sorted(place for place in sys.path_importer_cache if place.startswith(("/lab", "/run"))),
    "environment": dict(os.environ), "cwd": os.getcwd(), "hash": hash("lab"),
    "executable": sys.executable, "prefix": sys.prefix, "status": status(),
    "limits": [resource.getrlimit(kind) for kind in range(16)],
    "ids": [os.getpid(), os.getppid(), os.getpgrp(), os.getsid(0), os.getresuid(), os.getresgid(),
            os.getgroups()],
    "processes": sorted(name for name in os.listdir("/proc") if name.isdigit()),
    "fds": [stat.S_IFMT(os.fstat(fd).st_mode) for fd in range(3)],
    "open": sorted(int(name) for name in os.listdir("/proc/self/fd")),
    "flags of fds": [os.get_inheritable(fd) for fd in range(3)],
    "streams": [[stream.encoding, stream.errors, stream.line_buffering, stream.isatty(), stream.name]
                for stream in (sys.stdin, sys.stdout, sys.stderr)],
    "host": [socket.gethostname(), [name for _, name in socket.if_nameindex()], loopback()],
    "threads": [threading.active_count(), threading.current_thread().name,
                threading.main_thread() is threading.current_thread()],
    "comm": open("/proc/self/comm").read(), "oom": open("/proc/self/oom_score_adj").read(),
    "folders": {place: sorted(os.listdir(place)) for place in
                ("/", "/lab", "/lab/workspace", "/lab/outputs", "/lab/inputs", "/tmp", "/dev", "/dev/shm",
                 "/dev/pts", "/run" if os.path.isdir("/run") else "/", "/etc")},
    "refused": {place: called(open, place + "/x", "w") for place in ("/", "/lab", "/lab/workspace", "/usr",
                "/lab/inputs", "/lab/inputs/LAB_DATA", "/etc", "/dev", sys.prefix)},
    "storage": [os.statvfs(place).f_blocks for place in ("/tmp", "/dev/shm", "/lab/outputs")],
    "calls": [ctypes.CDLL(None).unshare(0x10000000), ctypes.CDLL(None).ptrace(0, 0, 0, 0)],
    "affinity": sorted(os.sched_getaffinity(0)), "nice": os.nice(0),
}
print(json.dumps(found, default=str))
"""

ENDINGS = {
    "returns": "print('x')",
    "text": "import sys; sys.exit('a text')",
    "large": "import sys; sys.exit(300)",
    "negative": "import sys; sys.exit(-1)",
    "huge": "import sys; sys.exit(2**80)",
    "none": "import sys; print('x', end=''); sys.exit(None)",
    "error": "def f():\n    raise ValueError('é')\ntry:\n    f()\nexcept ValueError as e:\n"
    "    raise KeyError(1) from e",
    "interrupt": "raise KeyboardInterrupt",
    "syntax": "def f(:\n",
    "signal": "import os; os.kill(os.getpid(), 9)",
    "terminated": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "abort": "import os; os.abort()",
    "exit": "import os; print('lost'); os._exit(3)",
    "atexit": "import atexit; atexit.register(print, 'end'); atexit.register(lambda: 1 / 0); print('begin')",
    "thread": "import threading, time\n"
    "threading.Thread(target=lambda: (time.sleep(0.1), print('late'))).start()",
    "daemon": "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()",
    "hook": "import sys; sys.excepthook = lambda *a: print('hook', a[0].__name__); 1 / 0",
    "bad hook": "import sys; sys.excepthook = lambda *a: [][1]; 1 / 0",
    "unclosed": "import os\nf = open(os.environ['LAB_OUTPUTS'] + '/a', 'w')\nf.write('kept')",
    "in a cycle": "import os\nf = open(os.environ['LAB_OUTPUTS'] + '/a', 'w')\nf.write('kept')\nx = [f]\n"
    "x.append(x)\ndel f, x",
    "in a module": "import json, os\njson.f = open(os.environ['LAB_OUTPUTS'] + '/a', 'w')\n"
    "json.f.write('kept')",
    "in a helper": "import helper, os\nhelper.f = open(os.environ['LAB_OUTPUTS'] + '/a', 'wb')\n"
    "helper.f.write(b'kept')",
    "finalizer": "class A:\n    def __del__(self): print('gone')\na = A()\nb = [a]\nb.append(b)",
    "closed": "import sys; print('x'); sys.stdout.flush(); sys.stdout.close()",
    "full": "import sys; sys.stdout = open('/dev/full', 'w'); print('x')",
    "children": "import multiprocessing as m\ndef f(x): return x + 1\n"
    "if __name__ == '__main__':\n    with m.get_context('spawn').Pool(1) as pool: print(pool.map(f, [1]))",
    "recursion": "def f(): f()\ntry: f()\nexcept RecursionError: print('r')",
    "main": "import sys, pickle\nclass A: pass\nprint(pickle.loads(pickle.dumps(A())).__class__, "
    "sys.modules['__main__'].A is A)",
}


async def both(sandbox: Sandbox, cold: Job, warm: Job) -> tuple[Execution, Execution]:
    executions = await sandbox.run(cold), await sandbox.run(warm)
    assert [execution.warm for execution in executions] == [False, True]
    return executions


def fill(workspace: Path) -> None:
    (workspace / "look.py").write_text(LOOK)
    (workspace / "helper.py").write_text("")
    (workspace / "sub" / "package").mkdir(parents=True)
    (workspace / "sub" / "package" / "__init__.py").write_text("")
    (workspace / "sub" / "package" / "look.py").write_text(LOOK)
    (workspace / "link.py").symlink_to("sub/package/look.py")


@pytest.mark.parametrize(
    ("directory", "command"),
    [
        (".", ("look.py", "-a", "ü b")),
        (".", ("./sub/../look.py",)),
        (".", ("link.py",)),
        ("sub", ("/lab/workspace/sub/package/look.py", "--", "x")),
        ("sub", ("-m", "package.look", "-m")),
    ],
)
async def test_what_a_program_sees(bubblewrap, bench, directory, command):
    fill(bench.workspace)
    data = bench.folder / "data"
    data.mkdir(mode=0o755)
    (data / "rows").write_text("1")
    common = {
        "directory": directory,
        "inputs": {"LAB_DATA": data},
        "environment": {"LAB_SEED": "7", "LAB_IDEA": "ü"},
    }
    cold, warm = await both(
        bubblewrap,
        bench.job("python", *command, **common),
        bench.job("python", *command, warm=("json",), **common),
    )
    assert cold.status == warm.status == "ok", warm.stderr.read_text()
    expected, found = (json.loads(execution.stdout.read_text()) for execution in (cold, warm))
    assert {key: found[key] for key in expected} == expected
    assert (warm.guarantees, warm.sandbox) == (cold.guarantees, cold.sandbox)


@pytest.mark.parametrize("name", ENDINGS)
async def test_how_a_program_ends(bubblewrap, bench, name):
    fill(bench.workspace)
    (bench.workspace / "end.py").write_text(ENDINGS[name])
    cold, warm = await both(
        bubblewrap,
        bench.job("python", "end.py", outputs=("a",)),
        bench.job("python", "end.py", outputs=("a",), warm=("json", "threading")),
    )
    told = [
        (
            execution.status,
            execution.reason,
            execution.exit_code,
            execution.signal,
            execution.stdout.read_text(),
            re.sub("0x[0-9a-f]+", "0x", execution.stderr.read_text()),
            {name: path.read_text() for name, path in execution.outputs.items()},
            dict(execution.refused),
        )
        for execution in (cold, warm)
    ]
    assert told[1] == told[0]


@pytest.mark.parametrize("command", [("missing.py",), ("-m", "missing"), ("-m", "package")])
async def test_a_program_that_is_not_there(bubblewrap, bench, command):
    fill(bench.workspace)
    cold, warm = await both(
        bubblewrap,
        bench.job("python", *command, directory="sub"),
        bench.job("python", *command, directory="sub", warm=("json",)),
    )
    assert (warm.status, warm.exit_code) == (cold.status, cold.exit_code)
    assert warm.stderr.read_text() == cold.stderr.read_text()


async def test_chance_is_fresh_in_each_fork_and_the_same_from_a_seed(bubblewrap, bench):
    code = (
        "import numpy, random, sys\n"
        "if sys.argv[1:]: random.seed(1); numpy.random.seed(1)\n"
        "print(random.random(), numpy.random.random(), numpy.random.default_rng().random())\n"
    )
    (bench.workspace / "chance.py").write_text(code)
    warm = {"warm": ("numpy.random",)}
    free = [await bubblewrap.run(bench.job("python", "chance.py", **warm)) for _ in range(2)]
    numbers = [number for execution in free for number in execution.stdout.read_text().split()]
    assert len(set(numbers)) == 6
    seeded = [
        (await bubblewrap.run(bench.job("python", "chance.py", "seed", **changes))).stdout.read_text().split()
        for changes in (warm, warm, {})
    ]
    assert seeded[0][:2] == seeded[1][:2] == seeded[2][:2]


@pytest.mark.parametrize("files", ["json.py", "json/__init__.py"])
async def test_files_that_hide_a_module_are_found_as_by_a_new_interpreter(bubblewrap, bench, files):
    path = bench.workspace / files
    path.parent.mkdir(exist_ok=True)
    path.write_text("own = 1")
    (bench.workspace / "use.py").write_text("import json; print(json.own)")
    execution = await bubblewrap.run(bench.job("python", "use.py", warm=("json",)))
    assert (execution.status, execution.warm, execution.stdout.read_text()) == ("ok", False, "1\n")


async def test_files_that_hide_nothing_do_not_matter(bubblewrap, bench):
    (bench.workspace / "json").mkdir()
    (bench.workspace / "json" / "rows.csv").write_text("1")
    (bench.workspace / "socket.py").write_text("own = 1")
    (bench.workspace / "use.py").write_text("import json, socket; print(socket.own, json.dumps(1))")
    execution = await bubblewrap.run(bench.job("python", "use.py", warm=("json",)))
    assert (execution.status, execution.warm, execution.stdout.read_text()) == ("ok", True, "1 1\n")
