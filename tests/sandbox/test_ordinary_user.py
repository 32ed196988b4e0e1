"""Root's sandbox without root: the same promises through user namespaces, with fewer guarantees."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "lab_plugin"
NOBODY = 65534
SCRIPT = """
import asyncio, json, sys
from pathlib import Path
from lab_plugin.sandbox import Job, Limits, open_sandbox

PROGRAMS = {
    "outputs": "import os; os.chdir(os.environ['LAB_OUTPUTS']); open('a','w'); os.symlink('a', 'b')",
    "network": "import socket; raise SystemExit(len(socket.if_nameindex()) - 1)",
    "burn": "import time\\nwhile time.process_time() < 0.3: pass",
    "readonly": "open('train.py','w')",
    "editing": "open('src/model.py','w').write('new')",
    "hang": "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(1000)",
    "hog": "x = bytearray(300 << 20)",
    "bomb": "import os, time; [os.fork() or time.sleep(9) for _ in range(200)]",
    "stopped": "import os, signal; os.fork(); os.kill(0, signal.SIGSTOP)",
    "calls": "import ctypes; raise SystemExit(ctypes.CDLL(None).unshare(0x10000000) + 1)",
    "hiding": "import os, time; os.mkdir('src/x'); f = open('src/x/y', 'wb', 0); os.chmod('src/x', 0)\\n"
        "for _ in range(40): f.write(b'x' * (1 << 20))\\ntime.sleep(60)",
    "kept": "import os\\ntry: os.rename('src/deep', 'src/away')\\nexcept OSError as e: print(e.errno)\\n"
        "try: open('src/deep/kept', 'w')\\nexcept OSError as e: raise SystemExit(e.errno)",
    "secret": "raise SystemExit(len(open('train.py').read()))",
    "filler": "import os; open(os.environ['LAB_OUTPUTS']+'/a','wb').write(b'x' * (40 << 20))",
}

RULES = {
    "hiding": {"src": "rw"},
    "kept": {"src": "rw", "src/deep/kept": "ro"},
    "secret": {"train.py": "hidden"},
}

async def main(kind, root):
    sandbox = open_sandbox(kind)
    await sandbox.probe()
    workspace = root / "workspace"
    (workspace / "src" / "deep").mkdir(parents=True)
    (workspace / "src" / "deep" / "kept").write_text("kept")
    (workspace / "train.py").write_text("old")
    (workspace / "src" / "model.py").write_text("old")
    codes = {}
    found = {"guarantees": sorted(sandbox.guarantees)}
    for name, code in PROGRAMS.items():
        (root / name).mkdir()
        execution = await sandbox.run(Job(
            name=name, role="candidate", command=("python3", "-c", code), workspace=workspace,
            destination=root / name, outputs=("a", "b") if name == "outputs" else (),
            output_variables={"LAB_OUTPUTS": "."}, files=RULES.get(name, {}) if kind == "bubblewrap" else {},
            writable=("src",) if name == "editing" or (kind, name) == ("process", "hiding") else (),
            limits=Limits(wall_seconds=1.5 if name in ("hang", "stopped") else 30, memory_bytes=200 << 20,
                          disk_bytes=20 << 20, processes=20)))
        taken, refused = sorted(execution.outputs), dict(execution.refused)
        codes[name] = execution.exit_code
        found[name] = [execution.status, taken, refused, execution.cpu_seconds]
    found["edited"] = (workspace / "src" / "model.py").read_text()
    found["codes"] = codes
    kept = workspace / "src" / "deep" / "kept"
    found["kept_text"] = kept.read_text() if kept.exists() else None
    found["train"] = (workspace / "train.py").read_text()
    await sandbox.close()
    print(json.dumps(found))

asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
"""


def interpreter() -> str:
    """A Python that an ordinary user may start."""
    for python in (sys.executable, "/usr/bin/python3"):
        if os.getuid() != 0:
            return python
        try:
            run = subprocess.run(
                [python, "-c", "import sys; assert sys.version_info >= (3, 11)"], user=NOBODY
            )
        except OSError:
            continue
        if run.returncode == 0:
            return python
    pytest.skip("root's interpreter is closed to other users, and there is no system Python 3.11")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    (folder / "lab_plugin").mkdir()
    for name in ("__init__.py", "errors.py", "scratch.py"):
        shutil.copy(PACKAGE / name, folder / "lab_plugin")
    # What other processes write there comes and goes.
    compiled = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE / "sandbox", folder / "lab_plugin" / "sandbox", ignore=compiled)
    (folder / "own").mkdir()
    if os.getuid() == 0:
        os.chown(folder / "own", NOBODY, NOBODY)
    yield folder
    for path in folder.glob("own/workspace/src/*"):
        if path.is_dir():
            path.chmod(0o700)
    shutil.rmtree(folder)


@pytest.mark.parametrize("kind", ["bubblewrap", "process"])
def test_an_ordinary_user(kind, open_folder):
    drop = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
    run = subprocess.run(
        [interpreter(), "-c", SCRIPT, kind, str(open_folder / "own")],
        env={"PYTHONPATH": str(open_folder), "PATH": "/usr/bin:/bin", "HOME": str(open_folder / "own")},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=120,
        **drop,
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert "user_split" not in found["guarantees"]
    assert "seccomp" in found["guarantees"]
    assert found["stopped"][0] == "timeout"
    assert found["calls"][0] == "ok"
    assert found["outputs"][:3] == ["ok", ["a"], {"b": "a symbolic link"}]
    assert found["burn"][0] == "ok"
    assert found["burn"][3] >= 0.3
    assert found["hang"][0] == "timeout"
    assert found["hog"][0] in ("failed", "memory")
    assert found["bomb"][0] == "failed"
    assert found["edited"] == "new"
    if kind == "bubblewrap":
        assert set(found["guarantees"]) >= {"disk_quota", "network_none", "pid_namespace", "read_only_root"}
        assert found["network"][0] == "ok"
        assert found["readonly"][0] == "failed"
        assert found["train"] == "old"
        assert found["filler"][0] == "output"
        assert found["hiding"][0] == "output"
        assert (found["kept"][0], found["codes"]["kept"]) == ("failed", 30)
        assert found["kept_text"] == "kept"
        assert found["secret"][0] == "ok"
    else:
        assert found["filler"][0] in ("failed", "output")
