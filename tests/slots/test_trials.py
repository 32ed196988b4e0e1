"""Real trials take what they need, and give it back however they end."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.check import run_checks
from lab_plugin.errors import ConfigError, SandboxError
from lab_plugin.lab import Lab
from lab_plugin.sandbox import Execution, Job, Limits, Sandbox, open_sandbox
from lab_plugin.scorer import Trial, TrialRunner
from lab_plugin.slots import Capacity, Need, Slots
from tests.campaign.conftest import lock
from tests.conftest import git


class Cards(Sandbox):
    """A sandbox of the usual kind that plays an engine with cards: it notes which it was asked for."""

    kind, guarantees = "docker", frozenset[str]()

    def __init__(self, inside: Sandbox) -> None:
        self.inside = inside
        self.guarantees = inside.guarantees
        self.running: dict[str, tuple[str, ...]] = {}
        self.seen: list[dict[str, tuple[str, ...]]] = []

    async def probe(self) -> None:
        await self.inside.probe()

    async def run(self, job: Job) -> Execution:
        self.running[job.name] = job.gpus
        self.seen.append(dict(self.running))
        try:
            return await self.inside.run(replace(job, gpus=()))
        finally:
            del self.running[job.name]

    async def close(self) -> None:
        await self.inside.close()


def trial(lab: Lab, folder: Path, number: int) -> Trial:
    place = folder / f"trial-{number}"
    place.mkdir()
    return Trial(name=f"t-{number}", idea=f"{number:04d}", workspace=lab.config.folder, folder=place)


async def test_no_card_is_shared_and_everything_comes_back(
    home: Path, make_lab: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_lab(replace={"[candidate]": "[candidate]\ngpus = 1"})
    lab = Lab.open(folder)
    sandbox = Cards(open_sandbox("bubblewrap"))
    slots = Slots(Capacity(cpus=8.0, cards=("a", "b")))
    # A runner of its own would find no card on this machine.
    config = lab.config.model_copy(
        update={"resources": lab.config.resources.model_copy(update={"gpus": ("x",)})}
    )
    runner = TrialRunner(config, sandbox, folder, ".", lab.redactor).with_slots(slots)
    try:
        runs = [asyncio.ensure_future(runner.execute(trial(lab, tmp_path, number))) for number in range(5)]
        # The first to end, whichever it is: the third gets its card then, and the fourth has not ended.
        await asyncio.wait(runs, return_when=asyncio.FIRST_COMPLETED)
        runs[3].cancel()
        ends = await asyncio.gather(*runs, return_exceptions=True)
    finally:
        await sandbox.close()
        lab.close()
    assert isinstance(ends[3], asyncio.CancelledError) and slots.idle
    assert [end.status for end in ends if isinstance(end, Execution)] == ["ok"] * 4
    assert max(map(len, sandbox.seen)) == 2
    for moment in sandbox.seen:
        cards = [card for held in moment.values() for card in held]
        assert len(cards) == len(set(cards)) == len(moment) and set(cards) <= {"a", "b"}


async def test_what_can_never_run_is_refused_before_anything_is_spent(
    home: Path, make_lab: Callable[..., Path]
) -> None:
    folder = make_lab(replace={"[budget]": "[resources]\ncpus = 1\n\n[budget]"})
    await lock(folder)
    text = (folder / "lab.toml").read_text()
    (folder / "lab.toml").write_text(text.replace("cpus = 1\n", "cpus = 0.5\n"))
    refs = git(folder, "for-each-ref")
    with pytest.raises(ConfigError, match="candidate.cpus: 1 cores are asked for, and there are 0.5"):
        async with open_campaign(Lab.open(folder), Plan({"iterations": 1}, jobs=4)):
            raise AssertionError
    assert git(folder, "for-each-ref") == refs
    (finding,) = [finding for finding in await run_checks(folder) if finding.what == "resources"]
    assert not finding.ok and "candidate.cpus" in finding.detail and "[resources]" in finding.remedy


async def test_a_sandbox_without_cards_refuses_them(tmp_path: Path) -> None:
    sandbox = open_sandbox("bubblewrap")
    (tmp_path / "workspace").mkdir()
    (tmp_path / "destination").mkdir()
    job = Job(
        name="cards",
        role="candidate",
        command=("python", "-c", "pass"),
        workspace=tmp_path / "workspace",
        destination=tmp_path / "destination",
        limits=Limits(wall_seconds=10),
        gpus=("0",),
    )
    try:
        with pytest.raises(SandboxError, match="has no GPUs"):
            await sandbox.run(job)
    finally:
        await sandbox.close()


async def test_a_program_that_proposes_takes_its_cores(home: Path, make_lab: Callable[..., Path]) -> None:
    propose = "import json; json.dump({'x': 1.0, 'y': 1.5}, open('point.json', 'w'))"
    strategy = f'name = "command"\ncommand = ["python", "-c", "{propose}"]\ncpus = 2'
    folder = make_lab(replace={'name = "tpe"': strategy, "[budget]": "[resources]\ncpus = 2\n\n[budget]"})
    await lock(folder)
    lab = Lab.open(folder)
    async with open_campaign(lab, Plan({"iterations": 1})) as campaign:
        number = campaign.next_number()
        assert number is not None
        async with campaign._slots.taken(Need(1.0)):
            proposing = asyncio.create_task(campaign.propose(number))
            while not campaign._slots.waiting:
                assert not proposing.done()
                await asyncio.sleep(0.01)
        idea = await proposing
        assert idea.fault is None and campaign._slots.idle
        campaign.stop("asked")
    text = (folder / "lab.toml").read_text()
    (folder / "lab.toml").write_text(text.replace("[resources]\ncpus = 2", "[resources]\ncpus = 1"))
    with pytest.raises(ConfigError, match="strategy.cpus: 2 cores are asked for, and there are 1"):
        async with open_campaign(Lab.open(folder), Plan({"iterations": 1})):
            pass
