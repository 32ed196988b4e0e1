"""A Docker trial beside a bare `docker run`, and what a warm container would cost: `docker exec` into one."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

from lab_plugin.sandbox import DockerSandbox, Job, Limits
from tests.benchmarks._report import figure
from tests.sandbox import docker_engine

ROUNDS = 15
PROGRAM = ("python", "-I", "-S", "-c", "pass")
WARM = "lab-benchmark-warm"


def main() -> None:
    if shutil.which("docker") is None:
        print("  no figure: the program `docker` is not installed")
        return
    try:
        with docker_engine.engine() as host:
            docker_engine.make_image(host)
            os.environ["DOCKER_HOST"] = host
            asyncio.run(_figures())
    except docker_engine.NoEngine as missing:
        print(f"  no figure: {missing}")


async def _figures() -> None:
    bare: list[float] = []
    trial: list[float] = []
    execs: list[float] = []
    sandbox = DockerSandbox(image=docker_engine.IMAGE)
    warm = ("docker", "run", "--rm", "-d", "--network", "none", "--name", WARM, docker_engine.IMAGE)
    subprocess.run([*warm, "sleep", "1000"], check=True, stdout=subprocess.DEVNULL)
    try:
        with tempfile.TemporaryDirectory(prefix="lab-benchmark-") as folder:
            # In turns, so that a load from outside meets all; the first round warms caches.
            for number in range(ROUNDS + 1):
                bare.append(_seconds("run", "--rm", "--network", "none", docker_engine.IMAGE))
                trial.append(await _trial(sandbox, Path(folder), number))
                execs.append(_seconds("exec", WARM))
    finally:
        subprocess.run(["docker", "rm", "-f", WARM], check=True, stdout=subprocess.DEVNULL)
        await sandbox.close()
    run, inside, ours = (1e3 * median(some[1:]) for some in (bare, execs, trial))
    figure("a trial in a container", ours, "ms", against=("docker run", run), target="ratio 1.2")
    figure("the same, no container being warm", ours, "ms", against=("docker exec", inside))


def _seconds(*command: str) -> float:
    began = time.perf_counter()
    subprocess.run(["docker", *command, *PROGRAM], check=True)
    return time.perf_counter() - began


async def _trial(sandbox: DockerSandbox, folder: Path, number: int) -> float:
    workspace, destination = folder / "workspace", folder / str(number)
    folder.chmod(0o755)
    workspace.mkdir(exist_ok=True)
    destination.mkdir()
    job = Job(
        name="benchmark",
        role="candidate",
        command=PROGRAM,
        workspace=workspace,
        destination=destination,
        limits=Limits(wall_seconds=60),
    )
    began = time.perf_counter()
    execution = await sandbox.run(job)
    if execution.status != "ok":
        raise SystemExit(f"the trial failed: {execution.reason}")
    return time.perf_counter() - began
