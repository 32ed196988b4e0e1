"""Labs to measure on: the rosenbrock example in a repository and a state folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.lab import Lab
from lab_plugin.ledger import VerdictRecord
from lab_plugin.local_api import LocalApi

EXAMPLE = Path(__file__).parents[2] / "examples" / "rosenbrock"
LAB = (sys.executable, "-c", "from lab_plugin.cli import main; main()")


@dataclass(frozen=True)
class Bench:
    """A locked lab.

    Attributes:
        folder: Its working tree.
        home: Its state folder.
    """

    folder: Path
    home: Path

    def environment(self, **more: str) -> dict[str, str]:
        """For the program: this state folder, and no Prefect or MLflow settings of the caller."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "MLFLOW_"))
        }
        return {**kept, "PREFECT_LAB_HOME": str(self.home), **more}

    def lab(self, *arguments: str, **more: str) -> float:
        """Run the program; returns its wall seconds."""
        began = time.perf_counter()
        done = subprocess.run(
            [*LAB, *arguments],
            cwd=self.folder,
            env=self.environment(**more),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        if done.returncode:
            raise SystemExit(f"lab {' '.join(arguments)} failed: {done.stderr.decode(errors='replace')}")
        return time.perf_counter() - began

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[bytes]:
        """Start the program."""
        return subprocess.Popen(
            [*LAB, *arguments],
            cwd=self.folder,
            env=self.environment(**more),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def open(self) -> Lab:
        """The lab, in this process."""
        os.environ["PREFECT_LAB_HOME"] = str(self.home)
        return Lab.open(self.folder)

    def verdicts(self, campaign: int) -> list[VerdictRecord]:
        """The verdicts of one campaign, oldest first."""
        lab = self.open()
        try:
            return [item for item in lab.ledger.state().ideas.values() if item.campaign == campaign]
        finally:
            lab.close()

    def stop_api(self) -> None:
        """End the local API, so that the next command starts one."""
        LocalApi(self.home / "prefect").stop()


@contextmanager
def bench(batch: int = 1, files: int = 0, sleep: float = 0) -> Iterator[Bench]:
    """A fresh locked lab.

    Args:
        batch: Points per idea.
        files: Further files in the repository, a hundred per folder.
        sleep: Seconds that every candidate sleeps.
    """
    with tempfile.TemporaryDirectory(prefix="lab-bench-") as temporary:
        root = Path(temporary)
        folder = root / "rosenbrock"
        shutil.copytree(EXAMPLE, folder)
        if batch > 1:
            source = folder / "lab.toml"
            source.write_text(source.read_text().replace('name = "tpe"', f'name = "random"\nbatch = {batch}'))
        if sleep:
            with open(folder / "candidate.py", "a") as candidate:
                candidate.write(f"__import__('time').sleep({sleep})\n")
        for number in range(files):
            path = folder / "more" / str(number // 100) / f"{number}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{number}\n" * 20)
        for command in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "Start")):
            identity = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")
            subprocess.run(["git", *identity, *command], cwd=folder, check=True)
        this = Bench(folder, root / "home")
        this.lab("lock")
        try:
            yield this
        finally:
            this.stop_api()


async def loop(bench: Bench, iterations: int) -> list[float]:
    """The domain's loop without Prefect; returns the wall seconds of each iteration."""
    seconds = []
    async with open_campaign(bench.open(), Plan({"iterations": float(iterations)})) as campaign:
        while True:
            began = time.perf_counter()
            number = campaign.next_number()
            if number is None:
                return seconds
            idea = await campaign.propose(number)
            runs = await campaign.execute(idea)
            scores = await campaign.evaluate(idea, runs)
            await campaign.decide(idea, runs, scores)
            seconds.append(time.perf_counter() - began)
