"""A campaign in miniature, run as a process of its own: `python flows_program.py URL HOME PLAN`."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path

from lab_plugin.local_api import client_settings

# A log line that found no API is not worth a word in the terminal.
logging.raiseExceptions = False
os.environ.update(client_settings(sys.argv[1], Path(sys.argv[2])))

from prefect import flow, get_run_logger, tags, task  # noqa: E402
from prefect.cache_policies import NO_CACHE  # noqa: E402
from prefect.states import Completed, State  # noqa: E402

from lab_plugin.flows.reconciliation import close_dead_runs, owner_tag  # noqa: E402


@task(cache_policy=NO_CACHE, persist_result=False)
async def step(number: int) -> int:
    get_run_logger().info("a line in the API, not in the terminal")
    return number + 1


@flow(persist_result=False, flow_run_name="{number:04d}")
async def iteration(number: int) -> State[None]:
    await step(number)
    return Completed(name="Kept", message="better by 1")


@flow(persist_result=False)
async def campaign(plan: str) -> None:
    for number in range(3):
        await iteration(number, return_state=True)
        print("done", number, flush=True)
        if plan == "pause":
            sys.stdin.readline()
    if plan == "hang":
        print("hanging", flush=True)
        await asyncio.sleep(600)


async def main(plan: str) -> None:
    if plan == "close":
        print(len(await close_dead_runs("lab:mini")), len(await close_dead_runs("lab:mini")), flush=True)
        return
    with tags("lab:mini", owner_tag()):
        await campaign(plan)


asyncio.run(main(sys.argv[3]))
