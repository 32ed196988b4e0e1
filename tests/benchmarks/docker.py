"""A Docker trial, fresh and in a container made ahead, beside `docker run` and `docker exec`."""

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
# As long as a campaign takes from one candidate to the next, at the least.
PAUSE_SECONDS = 0.5
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
    fresh: list[float] = []
    ahead: list[float] = []
    execs: list[float] = []
    sandbox = DockerSandbox(image=docker_engine.IMAGE)
    kept = ("docker", "run", "--rm", "-d", "--network", "none", "--name", WARM, docker_engine.IMAGE)
    subprocess.run([*kept, "sleep", "1000"], check=True, stdout=subprocess.DEVNULL)
    try:
        with tempfile.TemporaryDirectory(prefix="lab-benchmark-") as folder:
            # In turns, so that a load from outside meets all; the first rounds warm caches.
            for number in range(ROUNDS + 2):
                bare.append(_seconds("run", "--rm", "--network", "none", docker_engine.IMAGE))
                # A workspace of its own, so that nothing is alike.
                fresh.append(await _trial(sandbox, Path(folder), f"fresh-{number}", f"{number}"))
                execs.append(_seconds("exec", WARM))
                await asyncio.sleep(PAUSE_SECONDS)
                ahead.append(await _trial(sandbox, Path(folder), "ahead", f"ahead-{number}"))
                await asyncio.sleep(PAUSE_SECONDS)
    finally:
        subprocess.run(["docker", "rm", "-f", WARM], check=True, stdout=subprocess.DEVNULL)
        await sandbox.close()
    # The first two of those that are alike are fresh.
    run, inside, cold, warm = (1e3 * median(some[2:]) for some in (bare, execs, fresh, ahead))
    figure("a trial in a fresh container", cold, "ms", against=("docker run", run), target="ratio 1.2")
    figure("a trial in one made ahead", warm, "ms", against=("docker exec", inside), target="120 ms")


def _seconds(*command: str) -> float:
    began = time.perf_counter()
    subprocess.run(["docker", *command, *PROGRAM], check=True)
    return time.perf_counter() - began


async def _trial(sandbox: DockerSandbox, folder: Path, place: str, name: str) -> float:
    workspace, destination = folder / f"workspace-{place}", folder / f"destination-{name}"
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
