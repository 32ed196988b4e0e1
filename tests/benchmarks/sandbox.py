"""Sandboxes: what bubblewrap and the launcher add to a plain process, and a fork of a warm interpreter."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from lab_plugin.sandbox import BubblewrapSandbox, Job, Limits, ProcessSandbox, Sandbox
from tests.benchmarks._report import figure

PAIRS = 30
SCRIPTS = {"nothing.py": "", "numpy_loaded.py": "import numpy\nnumpy.arange(4).sum()\n"}
# What every kind sets inside.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1"}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        asyncio.run(_measure(Path(folder)))


async def _measure(folder: Path) -> None:
    workspace = folder / "workspace"
    workspace.mkdir(mode=0o755)
    for name, text in SCRIPTS.items():
        (workspace / name).write_text(text)
    sandboxes: tuple[Sandbox, ...] = BubblewrapSandbox(), ProcessSandbox()
    try:
        await _bubblewrap(folder, *sandboxes)
        await _warm(folder, sandboxes[0])
    finally:
        for sandbox in sandboxes:
            await sandbox.close()


async def _bubblewrap(folder: Path, bubblewrap: Sandbox, process: Sandbox) -> None:
    bare, inside, beside = [], [], []
    for _ in range(PAIRS):
        bare.append(_bare(folder, "nothing.py"))
        inside.append(await _run(bubblewrap, folder, "nothing.py"))
        beside.append(await _run(process, folder, "nothing.py"))
    plain = ("plain process", _ms(bare))
    figure("python in bubblewrap", _ms(inside), "ms", against=plain)
    figure("over the plain process, of pairs", _over(inside, bare), "ms", against=plain, target="8")
    figure("over sandbox 'process', of pairs", _over(inside, beside), "ms", against=("it", _ms(beside)))


async def _warm(folder: Path, sandbox: Sandbox) -> None:
    bare, cold, warm = [], [], []
    await _run(sandbox, folder, "numpy_loaded.py", "numpy")
    for _ in range(PAIRS):
        bare.append(_bare(folder, "numpy_loaded.py"))
        cold.append(await _run(sandbox, folder, "numpy_loaded.py"))
        warm.append(await _run(sandbox, folder, "numpy_loaded.py", "numpy"))
    plain = ("plain process", _ms(bare))
    figure("numpy in a new interpreter in bubblewrap", _ms(cold), "ms", against=plain)
    figure("numpy in a fork of a warm interpreter", _ms(warm), "ms", against=plain, target="10")
    figure("the same, best", min(warm) * 1e3, "ms", against=("best plain process", min(bare) * 1e3))


def _ms(seconds: list[float]) -> float:
    return median(seconds) * 1e3


def _over(these: list[float], those: list[float]) -> float:
    return _ms([one - other for one, other in zip(these, those, strict=True)])


def _bare(folder: Path, script: str) -> float:
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, script], cwd=folder / "workspace", env=ENVIRONMENT, check=True, capture_output=True
    )
    return time.perf_counter() - began


async def _run(sandbox: Sandbox, folder: Path, script: str, *warm: str) -> float:
    destination = Path(tempfile.mkdtemp(dir=folder))
    job = Job(
        name="benchmark",
        role="candidate",
        command=("python", script),
        workspace=folder / "workspace",
        destination=destination,
        limits=Limits(wall_seconds=60),
        output_variables={"LAB_OUTPUTS": "."},
        warm=warm,
    )
    began = time.perf_counter()
    execution = await sandbox.run(job)
    seconds = time.perf_counter() - began
    if execution.status != "ok" or execution.warm != bool(warm):
        raise SystemExit(f"{script}: {execution.reason}\n{execution.stderr.read_text()}")
    return seconds
