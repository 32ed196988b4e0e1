"""What the Prefect UI shows of a campaign: run names, a report per iteration, the results, the progress.

All of it is written in the background by one task with one client: an iteration never waits for it, and a
write that fails costs nothing but itself.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self
from uuid import UUID

import httpx
from prefect import get_run_logger
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.client.schemas.objects import State
from prefect.context import TagsContext
from prefect.exceptions import PrefectException

from lab_plugin.campaign import Campaign
from lab_plugin.events import ChampionConfirmed, Event, IdeaDecided, IdeaScreened
from lab_plugin.flows.waiting_runs import WaitingRuns
from lab_plugin.gap import gap_table, gaps
from lab_plugin.ledger import VerdictRecord
from lab_plugin.report import idea_name, results_rows
from lab_plugin.tier_report import tier_standings, tier_table

_REFRESH_SECONDS = 5.0
# Two hundred rows are a tenth of a second of the API's time.
_TABLE_SECONDS = 20.0
_TABLE_ROWS = 200
_log = logging.getLogger("prefect.lab")
_Write = Callable[[PrefectClient], Awaitable[object]]


class Board:
    """Shows one campaign; an async context manager that listens to its events.

    Args:
        campaign: The campaign.
        flow_run: Id of its flow run.
    """

    def __init__(self, campaign: Campaign, flow_run: str) -> None:
        self._campaign = campaign
        self._flow_run = UUID(flow_run)
        self._queue: asyncio.Queue[_Write | None] = asyncio.Queue()
        self._artifacts: dict[str, UUID] = {}
        self._refreshed = self._tabled = 0.0
        self._line = ""
        self._waiting = WaitingRuns(self._end)
        self._logger = get_run_logger()

    async def __aenter__(self) -> Self:
        self._writer = asyncio.create_task(self._write_all())
        name = f"{self._campaign.lab.name} campaign {self._campaign.number}"
        # Prefect replaces the tags, and adds none.
        tags = sorted(TagsContext.get().current_tags)
        self._queue.put_nowait(lambda client: client.update_flow_run(self._flow_run, name=name, tags=tags))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._results()
        self._progress()
        self._queue.put_nowait(None)
        await self._writer

    def __call__(self, event: Event) -> None:
        """Show a verdict: the iteration's name and report, and now and then the campaign's table."""
        if isinstance(event, ChampionConfirmed):
            self._put("confirmation", "markdown", event.sentence, "The champion on fresh seeds")
        if isinstance(event, IdeaScreened):
            self._waiting.screened(event)
        if not isinstance(event, IdeaDecided):
            return
        self._waiting.decided(event)
        rate = event.kept / max(1, event.iterations)
        self._line = f"best {event.champion:.6g}, {event.iterations} ideas, {rate:.0%} kept"
        if event.record.verdict == "kept":
            self._logger.info("%s: kept, %s", idea_name(event.record), event.record.reason)
        if event.record.holdout is not None:
            self._gaps()
        if event.record.flow_run:
            self._iteration(event.record, event.report)
        now = time.monotonic()
        if now - self._refreshed >= _REFRESH_SECONDS:
            self._refreshed = now
            self._progress()
        if now - self._tabled >= _TABLE_SECONDS:
            self._tabled = now
            self._results()

    def _iteration(self, record: VerdictRecord, report: str) -> None:
        run = UUID(record.flow_run)
        value = "" if record.value is None else f" {record.value:.6g}"
        name = f"{idea_name(record)} {record.verdict}{value}"
        artifact = ArtifactCreate(
            key=f"{self._campaign.lab.name}-idea-{record.number:04d}",
            type="markdown",
            description=name,
            data=report,
            flow_run_id=run,
        )
        self._queue.put_nowait(lambda client: client.update_flow_run(run, name=name))
        self._queue.put_nowait(lambda client: client.create_artifact(artifact))

    def _end(self, run: UUID, name: str, state: State[None]) -> None:
        if name:
            self._queue.put_nowait(lambda client: client.update_flow_run(run, name=name))
        self._queue.put_nowait(lambda client: client.set_flow_run_state(run, state, force=True))

    def _tiers(self) -> None:
        if standings := tier_standings(self._campaign.lab):
            self._put("tiers", "markdown", tier_table(standings), "The tiers, and how well they agree")

    def _results(self) -> None:
        self._tiers()
        rows = results_rows(self._campaign.newest(_TABLE_ROWS), self._campaign.lab.config.scorer.metric)
        if rows:
            shown = f" (the newest {_TABLE_ROWS} shown)" if len(rows) == _TABLE_ROWS else ""
            self._put("results", "table", json.dumps(rows), f"{self._line}{shown}")

    def _gaps(self) -> None:
        lab = self._campaign.lab
        lock, records = lab.ledger.state().lock, lab.ledger.records()
        if lock is not None:
            rows = gaps((entry.record for entry in records), lock.epoch)
            self._put("holdout", "markdown", gap_table(rows, lock.metric), "The gap to the hold-out")

    def _progress(self) -> None:
        self._put("progress", "progress", round(100 * self._campaign.spending.share(), 1), self._line)

    def _put(self, what: str, kind: str, data: str | float, description: str) -> None:
        async def write(client: PrefectClient) -> None:
            known = self._artifacts.get(what)
            if known is not None:
                await client.update_artifact(known, ArtifactUpdate(data=data, description=description))
                return
            artifact = ArtifactCreate(
                key=f"{self._campaign.lab.name}-campaign-{self._campaign.number}-{what}",
                type=kind,
                description=description,
                data=data,
                flow_run_id=self._flow_run,
            )
            self._artifacts[what] = (await client.create_artifact(artifact)).id

        self._queue.put_nowait(write)

    async def _write_all(self) -> None:
        async with get_client() as client:
            while (write := await self._queue.get()) is not None:
                try:
                    await write(client)
                except (httpx.HTTPError, PrefectException) as error:
                    _log.warning(
                        "The Prefect UI misses something of campaign %s: %s", self._campaign.number, error
                    )
