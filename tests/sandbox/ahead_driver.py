"""Has a container made ahead, says so, and waits to be killed."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

from tests.sandbox.docker_ahead import WatchedSandbox, make_ahead
from tests.sandbox.driver import job


async def main(folder: Path) -> None:
    sandbox = WatchedSandbox()
    params = folder / "params.json"
    params.write_text("{}")
    await make_ahead(sandbox, replace(job(folder, "idle", "pass"), inputs={"LAB_PARAMS": params}))
    print("made", flush=True)
    await asyncio.sleep(600)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
