"""A campaign's events for Prefect's automations: every verdict, the plateau, 80 % of the budget, the end.

Sending one costs nothing and waits for nobody: it is put into the queue of Prefect's own event worker, by one
task in the background. An API that is gone loses events, and never holds up a campaign.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from uuid import UUID, uuid5

import httpx
from prefect.client.orchestration import get_client
from prefect.events import emit_event
from prefect.events.filters import EventFilter, EventIDFilter
from prefect.exceptions import PrefectException
from prefect.utilities.urls import url_for

from lab_plugin.campaign import Campaign, running
from lab_plugin.errors import LabError
from lab_plugin.events import (
    CampaignEnded,
    CampaignOpened,
    ChampionConfirmed,
    Event,
    IdeaDecided,
    IdeaWaits,
)
from lab_plugin.lab import Lab
from lab_plugin.ledger import VerdictRecord
from lab_plugin.mirroring import open_store
from lab_plugin.report import idea_name
from lab_plugin.tracking import leaderboard_url

BUDGET_SHARE = 0.8
"""Of the budget, when `lab.budget` is told."""

_NAMES = UUID("6f6a3a8e-2f0e-4d0e-9d0b-6a1b0e3f5c11")
_LOOK_SECONDS = 30.0
_DRAIN_SECONDS = 30.0
_REASON = 500
_log = logging.getLogger("prefect.lab")


@dataclass(frozen=True)
class _Told:
    """One event on its way.

    Attributes:
        name: `lab.kept`.
        key: What it tells; told twice, it has the same id.
        payload: Plain values.
        labels: Of its resource; what automations can match.
        run: Id of the flow run of the iteration; "" for none.
        once: It may have been told by an earlier process.
    """

    name: str
    key: str
    payload: dict[str, Any]
    labels: dict[str, str] = field(default_factory=dict)
    run: str = ""
    once: bool = False


class Emission:
    """Tells Prefect what happens in a campaign; an async context manager that listens to its events.

    Enter it before the campaign is opened, so that it also hears of its end.

    Args:
        lab: The lab.
        flow_run: Id of the campaign's flow run.
    """

    def __init__(self, lab: Lab, flow_run: str) -> None:
        self._lab = lab
        self._flow_run = flow_run
        self._campaign: Campaign | None = None
        self._queue: asyncio.Queue[_Told | None] = asyncio.Queue()
        self._asked: set[str] = set()
        self._mlflow: str | None = None

    async def __aenter__(self) -> Self:
        self._sender = asyncio.create_task(self._send_all())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._queue.put_nowait(None)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._sender, _DRAIN_SECONDS)

    def __call__(self, event: Event) -> None:
        """Tell what follows from an event of the campaign."""
        if isinstance(event, CampaignOpened):
            self._campaign = running(str(self._lab.config.folder))
            self._put(_Told("lab.campaign.opened", f"{self._flow_run}/opened", {"resumed": event.resumed}))
            self._look()
        elif isinstance(event, IdeaDecided):
            self._put(self._verdict(event))
            self._look()
        elif isinstance(event, IdeaWaits):
            payload = {"idea": event.number, "title": event.title, "where": event.where}
            self._put(_Told("lab.waiting", f"{self._flow_run}/waiting/{event.number}", payload))
        elif isinstance(event, ChampionConfirmed):
            self._put(_Told("lab.confirmed", f"{self._flow_run}/confirmed", {"sentence": event.sentence}))
        elif isinstance(event, CampaignEnded):
            self._look()
            self._put(_ended(event, self._flow_run))
            self._campaign = None

    def _verdict(self, event: IdeaDecided) -> _Told:
        record = event.record
        payload = {
            **_of(record),
            "metric": self._lab.config.scorer.metric,
            "goal": self._lab.config.scorer.goal,
            "champion": event.champion,
            "iterations": event.iterations,
            "kept": event.kept,
            "usd": event.usd,
        }
        labels = {"lab.verdict": record.verdict, "lab.idea": str(record.number)}
        return _Told(f"lab.{record.verdict}", f"idea/{record.number}", payload, labels, record.flow_run)

    def _look(self) -> None:
        """See whether the campaign has come to its plateau, or to the last fifth of its budget."""
        if self._campaign is None:
            return
        spending, number = self._campaign.spending, self._campaign.number
        try:
            spent, share, budget = spending.view.spent, spending.share(), spending.budget
        except LabError:
            # Somebody closed the campaign, which ends it in another place.
            return
        if budget.plateau is not None and spent.since_keep >= budget.plateau:
            key = f"campaign/{number}/plateau/{budget.plateau}/{spent.iterations - spent.since_keep}"
            self._put_once(_Told("lab.plateau", key, {"since_keep": spent.since_keep}, once=True))
        if share >= BUDGET_SHARE:
            bounds = budget.to_record()
            payload = {
                "share": round(share, 4),
                "budget": bounds,
                "iterations": spent.iterations,
                "hours": round(spending.seconds / 3600, 4),
                "usd": spent.usd,
            }
            # A budget that is given anew is another one.
            key = f"campaign/{number}/budget/" + ",".join(f"{name}={bounds[name]}" for name in sorted(bounds))
            self._put_once(_Told("lab.budget", key, payload, once=True))

    def _put_once(self, told: _Told) -> None:
        if told.key not in self._asked:
            self._asked.add(told.key)
            self._put(told)

    def _put(self, told: _Told) -> None:
        number = self._campaign.number if self._campaign is not None else 0
        payload = {"lab": self._lab.name, "campaign": number, **told.payload}
        labels = {"lab.campaign": str(number), **told.labels}
        self._queue.put_nowait(_Told(told.name, told.key, payload, labels, told.run, told.once))

    async def _send_all(self) -> None:
        while True:
            try:
                told = await asyncio.wait_for(self._queue.get(), _LOOK_SECONDS)
            except TimeoutError:
                # Hours are spent also while no verdict comes.
                self._look()
                continue
            if told is None:
                return
            ident = uuid5(_NAMES, f"{self._lab.tag}/{told.key}")
            if not (told.once and await _is_known(ident)):
                await self._send(told, ident)

    async def _send(self, told: _Told, ident: UUID) -> None:
        if self._mlflow is None:
            self._mlflow = await asyncio.to_thread(leaderboard_url, open_store(self._lab), self._lab.key)
        related = []
        if told.run:
            related.append(_resource(f"prefect.flow-run.{told.run}", "iteration"))
        if self._mlflow is not None:
            where = f"prefect-lab.mlflow.{self._lab.key}"
            related.append({**_resource(where, "mlflow"), "prefect-lab.url": self._mlflow})
        emit_event(
            told.name,
            {
                "prefect.resource.id": f"prefect-lab.{self._lab.tag.replace(':', '.')}",
                "prefect.resource.name": self._lab.name,
                **told.labels,
            },
            related=related,
            payload={**told.payload, "url": url_for("flow-run", obj_id=told.run or self._flow_run)},
            id=ident,
        )


def _of(record: VerdictRecord) -> dict[str, Any]:
    return {
        "idea": record.number,
        "name": idea_name(record),
        "branch": record.branch,
        "commit": record.commit,
        "strategy": record.strategy,
        "verdict": record.verdict,
        "reason": record.reason[:_REASON],
        "value": record.value,
        "champion_value": record.champion_value,
        "difference": record.difference,
        "seconds": round(record.seconds, 3),
    }


def _ended(event: CampaignEnded, flow_run: str) -> _Told:
    payload = {"reason": event.reason[:_REASON], "closed": event.closed}
    labels = {"lab.closed": "true" if event.closed else "false"}
    return _Told("lab.campaign.ended", f"{flow_run}/ended", payload, labels)


def _resource(name: str, role: str) -> dict[str, str]:
    return {"prefect.resource.id": name, "prefect.resource.role": role}


async def _is_known(ident: UUID) -> bool:
    """Whether an earlier process told an event; an API that does not say so gets it twice, by one id."""
    try:
        async with get_client() as client:
            page = await client.read_events(EventFilter(id=EventIDFilter(id=[ident])), limit=1)
    except (httpx.HTTPError, PrefectException) as error:
        _log.debug("Whether the event %s was told cannot be read: %s", ident, error)
        return False
    return bool(page.events)
