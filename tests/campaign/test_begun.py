"""Ideas that are made and run before anybody asks for what comes of it."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import psutil

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.lab import Lab
from lab_plugin.queue import Addition, add_idea
from tests.campaign.conftest import git, lock, take
from tests.guidance.conftest import Owner

SECONDS = f"9{os.getpid()}"
"""That its program sleeps, told from those of others."""
SLEEPS = f"""
import json, os, pathlib
text = pathlib.Path("point.json").read_text()
if json.loads(text)["x"] == 0.25:
    print("asleep", flush=True)
    os.execvp("sleep", ["sleep", "{SECONDS}"])
pathlib.Path(os.environ["LAB_OUTPUTS"], "point.json").write_text(text)
"""
OUTPUT = "trials/0001/final/0/candidate/outputs/point.json"


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not is_so():
            await asyncio.sleep(0.02)


def programs() -> list[int]:
    return [
        each.pid for each in psutil.process_iter(["cmdline"]) if each.info["cmdline"] == ["sleep", SECONDS]
    ]


async def test_what_was_begun_runs_at_once_and_once(make_lab: Callable[..., Path], home: Path) -> None:
    folder = make_lab()
    await lock(folder)
    lab = Lab.open(folder)
    async with open_campaign(lab, Plan({"iterations": 1})) as campaign:
        number = await campaign.next()
        assert number == 1
        campaign.begin(number)
        output = lab.folder / OUTPUT
        await until(lambda: output.exists() and bool(output.read_bytes()))
        written = output.stat()
        idea = await campaign.propose(number)
        (run,) = await campaign.execute(idea)
        after = output.stat()
        assert (after.st_ino, after.st_mtime_ns) == (written.st_ino, written.st_mtime_ns)
        assert run.trial.folder == output.parents[2]
        record = await take(campaign, number)
        assert record is not None and record.value is not None


async def test_what_somebody_is_asked_about_does_not_run_before(
    make_lab: Callable[..., Path], home: Path
) -> None:
    folder = make_lab()
    await lock(folder)
    lab = Lab.open(folder)
    async with open_campaign(lab, Plan({"iterations": 1}), Owner()) as campaign:
        number = await campaign.next()
        assert number is not None
        campaign.begin(number)
        idea = await campaign.propose(number)
        await asyncio.sleep(0.5)
        assert not list((lab.folder / "trials").glob("**/candidate"))
        assert await campaign.execute(idea)


async def test_what_nobody_takes_is_ended(make_lab: Callable[..., Path], home: Path) -> None:
    folder = make_lab(replace={'timeout = "10s"': 'timeout = "10m"'})
    (folder / "candidate.py").write_text(SLEEPS)
    git(folder, "commit", "-qam", "Sleep where it is told")
    await lock(folder)
    lab = Lab.open(folder)
    add_idea(lab, Addition(params={"x": "0.25", "y": "1"}))
    async with open_campaign(lab, Plan({"iterations": 1})) as campaign:
        number = await campaign.next()
        assert number is not None
        campaign.begin(number)
        said = lab.folder / "trials/0001/final/0/candidate/stdout.log"
        await until(lambda: said.exists() and b"asleep" in said.read_bytes())
        # It says so before it becomes the program that is looked for.
        await until(lambda: bool(programs()))
        await campaign.forget_begun()
        assert not programs()
