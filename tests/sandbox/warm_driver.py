"""Runs one endless job in a fork of a warm interpreter, for tests that kill this process or its helpers."""

import asyncio
import sys
from pathlib import Path

from lab_plugin.errors import SandboxUnavailable
from lab_plugin.sandbox import BubblewrapSandbox, Job, Limits


def job(folder: Path, name: str, script: str) -> Job:
    (folder / name).mkdir()
    return Job(
        name=name,
        role="candidate",
        command=("python", script),
        workspace=folder / "workspace",
        destination=folder / name,
        limits=Limits(wall_seconds=600),
        warm=("json",),
    )


async def main(folder: Path) -> None:
    sandbox = BubblewrapSandbox()
    try:
        execution = await sandbox.run(job(folder, "endless", "endless.py"))
        print(execution.status, flush=True)
    except SandboxUnavailable as error:
        print(type(error).__name__, flush=True)
        execution = await sandbox.run(job(folder, "again", "short.py"))
        print(execution.status, execution.warm, flush=True)
    await sandbox.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
