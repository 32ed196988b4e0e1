"""A campaign in a process of its own, to be killed: `python -m tests.sharing.program FOLDER ITERATIONS`."""

import asyncio
import sys
from pathlib import Path

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.events import Event, Notice, subscribed
from lab_plugin.lab import Lab
from tests.campaign.conftest import iterate


def tell(event: Event) -> None:
    if isinstance(event, Notice):
        print(event.text, file=sys.stderr, flush=True)


async def main(folder: Path, iterations: int) -> None:
    async with open_campaign(Lab.open(folder), Plan({"iterations": iterations})) as campaign:
        async for record in iterate(campaign):
            print(record.number, flush=True)


if __name__ == "__main__":
    with subscribed(tell):
        asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
