"""Checking and hashing an environment of 300 MB, beside a plain `os.walk` with `stat`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lab_plugin.scorer import EnvironmentMeter
from tests.benchmarks._report import figure

BYTES = 300 << 20
ROUNDS = 9


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python, files, size = _environment(folder)
        print(f"  [{files} files, {size / 2**20:.0f} MiB, and the standard library]")
        meter = EnvironmentMeter(python, folder / "memory")
        began = time.perf_counter()
        meter.measure()
        figure("first look, every file read", 1e3 * (time.perf_counter() - began), "ms")
        # Until the memory is settled, files that changed just now are read again.
        time.sleep(2.5)
        meter.measure()
        check = _best(lambda: meter.measure())
        roots = [folder / "venv" / "lib", Path(sysconfig.get_path("stdlib"))]
        walk = _best(lambda: _walk(roots))
        figure("lock check, nothing changed", check, "ms", against=("os.walk and stat", walk), target="60 ms")
        module = next((folder / "venv" / "lib").glob("python*/site-packages")) / "changed.py"

        def change() -> None:
            module.write_text(f"NOW = {time.time_ns()}\n")
            meter.measure()

        figure("lock check, one file changed", _best(change), "ms")


def _environment(folder: Path) -> tuple[Path, int, int]:
    """A virtual environment with as much of this one's packages as makes 300 MB."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    packages = next((folder / "venv" / "lib").glob("python*/site-packages"))
    source = Path(sysconfig.get_path("purelib"))
    files = size = 0
    for top, folders, names in os.walk(source):
        folders.sort()
        for name in names:
            path = Path(top, name)
            target = packages / path.relative_to(source)
            if size < BYTES and path.is_file() and path.suffix != ".pth":
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, target)
                files, size = files + 1, size + path.stat().st_size
    return folder / "venv" / "bin" / "python", files, size


def _walk(roots: list[Path]) -> None:
    for root in roots:
        for top, folders, names in os.walk(root):
            folders[:] = [name for name in folders if top != str(root) or name != "site-packages"]
            for name in names:
                os.stat(os.path.join(top, name), follow_symlinks=False)


def _best(work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return 1e3 * min(times)
