"""Trials that run on workers: the same verdicts, each counted once, and nothing left behind."""

import asyncio
import json
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.errors import FleetError, LabError
from lab_plugin.lab import Lab
from lab_plugin.ledger import VerdictRecord
from lab_plugin.remote import Ended, TrialOrder, open_work
from lab_plugin.terms import TermsReader
from tests.remote.conftest import Workers, travelling, work

Run = Callable[..., Awaitable[list[VerdictRecord]]]
Make = Callable[..., Path]


def outcomes(records: list[VerdictRecord]) -> list[tuple[object, ...]]:
    return [(each.number, each.tier, each.verdict, each.value, dict(each.params)) for each in records]


async def test_verdicts_are_those_of_one_machine(
    pooled_lab: Make, run: Run, workers: Workers, tmp_path: Path
) -> None:
    here, away = pooled_lab(pool=False, name="here"), pooled_lab(name="away")
    found = await run(away, 6, workers)
    assert outcomes(found) == outcomes(await run(here, 6, None))
    assert len({order.id for order in workers.orders}) == len(workers.orders) >= 3
    assert {order.tier for order in workers.orders} == {"final"}
    assert travelling(tmp_path / "away" / "hub.git") == {"kits", "scorers"}
    # What an order tells is small, and is no secret.
    assert max(len(order.model_dump_json()) for order in workers.orders) < 10_000
    assert not workers.told
    for home in workers.homes:
        assert not list(home.root.glob("remotes/*/scratch-*"))


async def test_the_candidates_side_never_has_the_scorer(
    pooled_lab: Make, home: Path, workers: Workers
) -> None:
    folder = pooled_lab()
    plan = Plan({"iterations": 2})
    seen: list[TrialOrder] = []

    class Looking(Workers):
        async def _do(self, order: TrialOrder, fate: Ended | None) -> Ended:
            seen.append(order)
            async with open_work(order, self.homes[0], self.told.append) as found:
                assert found is not None
                execution = await found.execute()
                site = self.homes[0].root / "remotes"
                names = {path.name for path in site.glob("*/labs/*/workspaces/pool-*/work/**/*")}
                assert "candidate.py" in names and "score.py" not in names
                # It is not even fetched before it is needed.
                assert not list(site.glob("*/snapshots"))
                kinds = {path.name for path in site.glob("*/cache.git/refs/lab/rosenbrock/*")}
                assert kinds == {"kits", "trials"}
                await found.deliver(execution, await found.evaluate(execution))
            return Ended("done")

    looking = Looking(workers.homes)
    async with open_campaign(Lab.open(folder), plan, dispatcher=looking) as campaign:
        while (number := await campaign.next()) is not None:
            idea = await campaign.propose(number)
            while campaign.tier_of(number).promote is not None:
                runs = await campaign.execute(idea)
                screening = await campaign.screen(idea, runs, await campaign.evaluate(idea, runs))
                if not screening.goes_on:
                    break
            else:
                runs = await campaign.execute(idea)
                (point,) = runs
                # Logs and scorecard are where those of any other trial are.
                assert (
                    "value"
                    in json.loads((point.trial.folder / "scorer" / "outputs" / "scorecard.json").read_text())[
                        "metrics"
                    ]
                )
                await campaign.decide(idea, runs, await campaign.evaluate(idea, runs))
                break
    assert seen


async def test_a_lost_trial_runs_again_and_counts_once(pooled_lab: Make, run: Run, workers: Workers) -> None:
    folder = pooled_lab()
    workers.fate = [Ended("lost", message="its machine is gone")] * 2
    (first,) = [each for each in await run(folder, 2, workers) if each.tier == "final"]
    assert first.value is not None
    assert len(workers.orders) == 3 and len({order.id for order in workers.orders}) == 1
    assert sum("its machine is gone; it is run again" in told for told in workers.told) == 2


async def test_a_trial_that_is_lost_again_and_again_stops_the_campaign(
    pooled_lab: Make, run: Run, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab_plugin.remote._desk._PAUSE", 0.01)
    folder = pooled_lab()
    workers.fate = [Ended("lost")] * 5
    with pytest.raises(FleetError, match="lost 5 times"):
        await run(folder, 2, workers)
    # Nothing is decided, and the idea goes on with the next campaign.
    assert [each.tier for each in await run(folder, 2, workers)] == ["final"]


async def test_workers_that_cannot_are_named_and_not_asked_for_ever(
    pooled_lab: Make, run: Run, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab_plugin.remote._desk._PAUSE", 0.01)
    folder = pooled_lab()
    refused = Ended("refused", "one", "another environment")
    workers.fate, workers.online = [refused, refused], frozenset({"one", "two"})
    assert [each.tier for each in await run(folder, 2, workers)] == ["final"]
    assert [told for told in workers.told if "refuses" in told] == [
        "The worker 'one' of the pool 'box' refuses trials: another environment"
    ]
    workers.fate, workers.online = [refused], frozenset({"one"})
    with pytest.raises(FleetError, match="No worker of the pool 'box' can run"):
        await run(folder, 4, workers)


async def test_a_campaign_that_died_takes_the_finished_result(
    pooled_lab: Make, home: Path, run: Run, workers: Workers
) -> None:
    folder = pooled_lab()

    class Unheard(Workers):
        """Its campaign is killed while it waits, and the worker finishes."""

        async def wait(self, run: str, pool: str) -> Ended:
            await self._runs[run]
            campaign.stop("killed")
            await asyncio.Event().wait()
            raise AssertionError

    unheard = Unheard(workers.homes)
    async with open_campaign(Lab.open(folder), Plan({"iterations": 2}), dispatcher=unheard) as campaign:
        with pytest.raises(Exception, match="killed"):
            while (number := await campaign.next()) is not None:
                idea = await campaign.propose(number)
                while True:
                    runs = await campaign.execute(idea)
                    if not (await campaign.screen(idea, runs, await campaign.evaluate(idea, runs))).goes_on:
                        break
    assert len(unheard.orders) == 1
    verdicts = await run(folder, 2, workers)
    assert [each.value is not None for each in verdicts if each.tier == "final"] == [True]
    assert not workers.orders


async def test_of_two_results_the_first_counts(
    pooled_lab: Make, run: Run, workers: Workers, tmp_path: Path
) -> None:
    folder = pooled_lab()

    class Twice(Workers):
        async def _do(self, order: TrialOrder, fate: Ended | None) -> Ended:
            async with open_work(order, self.homes[0], self.told.append) as late:
                assert late is not None
                execution = await late.execute()
                score = await late.evaluate(execution)
                assert await work(order, self.homes[1], self.told.append) is True
                assert not await late.deliver(execution, replace(score, seconds=score.seconds + 1))
            # A third one has nothing to do.
            assert await work(order, self.homes[0], self.told.append) is None
            return Ended("done")

    twice = Twice(workers.homes)
    assert [each.tier for each in await run(folder, 2, twice)] == ["final"]
    assert travelling(tmp_path / "repo" / "hub.git") == {"kits", "scorers"}


async def test_a_worker_of_another_version_or_environment_refuses(
    pooled_lab: Make, run: Run, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = pooled_lab()
    found: list[str] = []

    class Other(Workers):
        async def _do(self, order: TrialOrder, fate: Ended | None) -> Ended:
            older = order.model_copy(update={"version": "0.0.1"})
            with pytest.raises(FleetError, match=r"this worker has prefect-lab .*, and the lab has 0\.0\.1"):
                await work(older, self.homes[0], self.told.append)
            with monkeypatch.context() as patched:
                real = TermsReader.environment
                patched.setattr(
                    TermsReader, "environment", lambda self, look: {**real(self, look), "python": "2.7"}
                )
                with pytest.raises(LabError) as error:
                    await work(order, self.homes[0], self.told.append)
                found.append(error.value.message)
            return await super()._do(order, fate)

    assert [each.tier for each in await run(folder, 2, Other(workers.homes))] == ["final"]
    assert len(found) == 1 and "another environment" in found[0] and "2.7" in found[0]


async def test_a_remote_that_is_gone_is_waited_for(
    pooled_lab: Make, run: Run, workers: Workers, tmp_path: Path
) -> None:
    folder, hub = pooled_lab(), tmp_path / "repo" / "hub.git"

    class Cut(Workers):
        async def start(self, order: TrialOrder, pool: str) -> str:
            started = await super().start(order, pool)
            await self._runs[started]
            hub.rename(tmp_path / "away.git")
            self.coming = asyncio.create_task(self.come_back())
            return started

        async def come_back(self) -> None:
            while not any("tried again until it answers" in told for told in self.told):
                await asyncio.sleep(0.05)
            (tmp_path / "away.git").rename(hub)

    cut = Cut(workers.homes)
    assert [each.tier for each in await run(folder, 2, cut)] == ["final"]
    assert any("tried again until it answers" in told for told in cut.told)
    assert "The git remote answers again." in cut.told


async def test_a_sealed_scoring_brings_back_its_value_alone(
    pooled_lab: Make, run: Run, workers: Workers, tmp_path: Path
) -> None:
    folder = pooled_lab(more="\n[scorer.holdout]\nfiles = ['sealed/**']\n")
    kept: list[bytes] = []

    class Looking(Workers):
        async def _do(self, order: TrialOrder, fate: Ended | None) -> Ended:
            ended = await super()._do(order, fate)
            if order.sealed:
                show = ["git", "ls-tree", "-r", "--name-only", order.ref("results")]
                kept.append(
                    subprocess.run(show, cwd=tmp_path / "repo" / "hub.git", capture_output=True).stdout
                )
            return ended

    looking = Looking(workers.homes)
    verdicts = await run(folder, 8, looking)
    looked_at = [each for each in verdicts if each.holdout is not None]
    assert looked_at and len(kept) == len(looked_at)
    assert all(each.holdout is not None and each.holdout.value is not None for each in looked_at)
    assert set(kept) == {b"result.json\n"}


async def test_a_trial_that_its_owner_cancelled_ends_the_idea(
    pooled_lab: Make, run: Run, workers: Workers, tmp_path: Path
) -> None:
    folder = pooled_lab()
    workers.fate = [Ended("cancelled")]
    verdicts = await run(folder, 4, workers)
    cancelled, decided = [each for each in verdicts if each.tier == "final" or each.cancelled]
    assert (cancelled.verdict, cancelled.value) == ("inconclusive", None)
    assert cancelled.reason == "cancelled by the owner in the Prefect UI while executing"
    assert decided.value is not None
    assert [order.number for order in workers.orders] == [cancelled.number, decided.number]
    assert travelling(tmp_path / "repo" / "hub.git") == {"kits", "scorers"}
