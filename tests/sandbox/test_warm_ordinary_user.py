"""Forks of a warm interpreter without root: the same separation, through user namespaces alone."""

import json
import os
import subprocess

from tests.sandbox.test_ordinary_user import NOBODY, interpreter, open_folder

__all__ = ["open_folder"]

SCRIPT = """
import asyncio, json, sys
from pathlib import Path
from lab_plugin.sandbox import Job, Limits, open_sandbox

PROGRAMS = {
    "attack": "import json, os\\njson.evil = 1\\nopen('/tmp/evil', 'w')\\nopen('/dev/shm/evil', 'w')\\n"
        "for name in ('mem', 'environ'):\\n"
        "    try: open('/proc/1/' + name, 'rb').read(1)\\n    except OSError: continue\\n"
        "    raise SystemExit(name)",
    "look": "import json, os; print(hasattr(json, 'evil'), os.listdir('/tmp'), os.listdir('/dev/shm'), "
        "[name for name in os.listdir('/proc') if name.isdigit()], os.getuid(), "
        "open('/proc/self/status').read().split('CapEff:')[1].split()[0])",
    "outputs": "import os; os.chdir(os.environ['LAB_OUTPUTS']); open('a', 'w'); os.chmod('.', 0)",
    "burn": "import time\\nwhile time.process_time() < 0.3: pass",
    "hang": "import os, time; os.fork(); os.setsid(); time.sleep(1000)",
    "hog": "x = bytearray(300 << 20)",
    "bomb": "import os, time; [os.fork() or time.sleep(9) for _ in range(200)]",
}

async def main(root):
    sandbox = open_sandbox("bubblewrap")
    workspace = root / "workspace"
    workspace.mkdir()
    found = {}
    for name, code in PROGRAMS.items():
        (workspace / f"{name}.py").write_text(code)
        (root / name).mkdir()
        execution = await sandbox.run(Job(
            name=name, role="candidate", command=("python3", f"{name}.py"), workspace=workspace,
            destination=root / name, outputs=("a",) if name == "outputs" else (),
            output_variables={"LAB_OUTPUTS": "."}, warm=("json",),
            limits=Limits(wall_seconds=1.5 if name == "hang" else 30, memory_bytes=200 << 20,
                          disk_bytes=20 << 20, processes=20)))
        found[name] = [execution.status, execution.warm, execution.cpu_seconds, sorted(execution.outputs),
                       execution.stdout.read_text(), execution.stderr.read_text()]
    await sandbox.close()
    print(json.dumps(found))

asyncio.run(main(Path(sys.argv[1])))
"""


def test_an_ordinary_user(open_folder):
    drop = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
    own = str(open_folder / "own")
    run = subprocess.run(
        [interpreter(), "-c", SCRIPT, own],
        env={"PYTHONPATH": str(open_folder), "PATH": "/usr/bin:/bin", "HOME": own},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=120,
        **drop,
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert all(warm for _, warm, *_ in found.values())
    assert found["attack"][0] == "ok", found["attack"]
    uid = NOBODY if os.getuid() == 0 else os.getuid()
    assert found["look"][4] == f"False [] [] ['1', '2'] {uid} 0000000000000000\n", found["look"]
    assert (found["outputs"][0], found["outputs"][3]) == ("ok", ["a"])
    assert found["burn"][0] == "ok"
    assert found["burn"][2] >= 0.3
    assert found["hang"][0] == "timeout"
    assert found["hog"][0] in ("failed", "memory")
    assert found["bomb"][0] == "failed"
