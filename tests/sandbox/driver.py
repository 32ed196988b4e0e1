"""Runs one job that never ends, for tests that kill this process or its helpers."""

import asyncio
import os
import sys
from pathlib import Path

from lab_plugin.errors import SandboxUnavailable
from lab_plugin.sandbox import Job, Limits, open_sandbox


def job(folder: Path, name: str, code: str) -> Job:
    (folder / name).mkdir()
    return Job(
        name=name,
        role="candidate",
        command=("python", "-c", code),
        workspace=folder / "workspace",
        destination=folder / name,
        limits=Limits(wall_seconds=600),
    )


async def main(kind: str, folder: Path, code: str) -> None:
    sandbox = open_sandbox(kind, image=os.environ.get("TEST_IMAGE"))
    try:
        execution = await sandbox.run(job(folder, "endless", code))
        print(execution.status, flush=True)
    except SandboxUnavailable as error:
        print(type(error).__name__, flush=True)
        execution = await sandbox.run(job(folder, "again", "pass"))
        print(execution.status, flush=True)
    await sandbox.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
