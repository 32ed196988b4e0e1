"""A lab that uses a service and waits to be killed: `driver.py FOLDER STATE MARK PORT CODE`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from lab_plugin.config import Service
from lab_plugin.services import Place, Services


async def main(folder: str, state: str, mark: str, port: str, code: str) -> None:
    command = ("python", "-c", code, port, mark)
    table = Service.model_validate({"command": command, "port": int(port), "timeout": 30})
    place = Place(directory=Path(folder), state=Path(state), redact=str, grace=0.5)
    services = Services({"emulator": table}, place)
    try:
        async with services.serving("candidate"):
            print("ready", flush=True)
            await asyncio.sleep(1000)
    finally:
        await services.close()


asyncio.run(main(*sys.argv[1:]))
