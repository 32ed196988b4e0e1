"""The mirror process: what it writes, what it says, and that it ends with the campaign in every way."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from lab_plugin.background_mirror import background_mirror
from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.lab import Lab
from lab_plugin.mirroring import make_mirror
from tests.campaign.conftest import iterate, lock


def lab_with_ideas(folder: Path, count: int) -> Path:
    asyncio.run(_make_ideas(folder, count))
    return folder


async def _make_ideas(folder: Path, count: int) -> None:
    await lock(folder)
    async with open_campaign(Lab.open(folder), Plan({"iterations": count})) as campaign:
        assert len([record async for record in iterate(campaign)]) == count


def missing(folder: Path) -> int:
    """How many ideas MLflow lacks."""
    lab = Lab.open(folder)
    try:
        return make_mirror(lab).sync().written
    finally:
        lab.close()


def mirrors(folder: Path) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if (process.info["cmdline"] or [])[-2:] == ["lab_plugin.background_mirror", str(folder)]
    ]


def gone(folder: Path, seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while mirrors(folder) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not mirrors(folder)


async def mirrored(folder: Path, during: Callable[[], None] = lambda: None) -> None:
    async with background_mirror(folder) as notify:
        notify()
        during()
        notify()


def test_leaving_waits_until_mlflow_has_everything(home: Path, make_lab: Callable[..., Path]) -> None:
    folder = lab_with_ideas(make_lab(), 3)
    asyncio.run(mirrored(folder))
    assert mirrors(folder) == []
    assert missing(folder) == 0


def test_a_killed_mirror_is_told_and_harms_nothing(
    home: Path, make_lab: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    folder = lab_with_ideas(make_lab(), 1)

    def kill() -> None:
        (process,) = mirrors(folder)
        process.kill()
        # Not waited for: its exit status is the campaign's to read.
        while process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)

    asyncio.run(mirrored(folder, kill))
    assert "`lab sync`" in caplog.text
    assert missing(folder) > 0


def test_what_it_complains_of_is_logged_here(
    home: Path, make_lab: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    folder = lab_with_ideas(make_lab(), 1)
    (home / "mlflow" / "mlflow.db").write_bytes(b"no database" * 1000)
    with caplog.at_level(logging.INFO, "lab_plugin.tracking"):
        asyncio.run(mirrored(folder))
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "mlflow.db" in caplog.text


def test_it_ends_after_its_work_when_the_campaign_is_killed(
    home: Path, make_lab: Callable[..., Path]
) -> None:
    folder = lab_with_ideas(make_lab(), 1)
    program = textwrap.dedent(f"""
        import asyncio, sys
        from pathlib import Path
        from lab_plugin.background_mirror import background_mirror
        async def main():
            async with background_mirror(Path({str(folder)!r})) as notify:
                notify()
                print("told", flush=True)
                await asyncio.sleep(600)
        asyncio.run(main())
    """)
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=dict(os.environ))
    assert process.stdout is not None
    assert process.stdout.readline() == b"told\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert gone(folder)
    assert missing(folder) == 0
