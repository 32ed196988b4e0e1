"""The workers that serve a work pool now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient

_STARTED = "prefect.worker.started"
_PAGE = 50  # the most that the API gives at a time


@dataclass(frozen=True)
class OnlineWorker:
    """A worker that polls a pool.

    Attributes:
        name: As it calls itself.
        prefect: The version of Prefect that it runs; None where the API has no event of its start.
        last_heartbeat: When the API last heard of it.
    """

    name: str
    prefect: str | None
    last_heartbeat: datetime | None


async def workers_of(client: PrefectClient, name: str) -> list[OnlineWorker]:
    """The workers of a pool that are online; none for a pool that does not exist.

    Args:
        client: Talks with the API.
        name: Of the pool.
    """
    from prefect.client.schemas.filters import WorkerFilter, WorkerFilterStatus
    from prefect.client.schemas.objects import WorkerStatus
    from prefect.exceptions import PrefectHTTPStatusError

    online = WorkerFilter(status=WorkerFilterStatus(any_=[WorkerStatus.ONLINE]))
    try:
        workers = await client.read_workers_for_work_pool(name, worker_filter=online)
    except PrefectHTTPStatusError as error:
        if error.response.status_code == 404:
            return []
        raise
    versions = await _versions(client, workers[0].work_pool_id) if workers else {}
    return [OnlineWorker(each.name, versions.get(each.name), each.last_heartbeat_time) for each in workers]


async def _versions(client: PrefectClient, pool: UUID) -> dict[str, str]:
    """Worker of a pool -> its Prefect's version, by the events of the latest starts."""
    from prefect.events.filters import EventFilter, EventNameFilter, EventOrder, EventRelatedFilter

    wanted = EventFilter(
        event=EventNameFilter(name=[_STARTED]),
        related=EventRelatedFilter(id=[f"prefect.work-pool.{pool}"]),
        order=EventOrder.DESC,
    )
    answer = await client.request(
        "POST", "/events/filter", json={"filter": wanted.model_dump(mode="json"), "limit": _PAGE}
    )
    found: dict[str, str] = {}
    for event in answer.json()["events"]:
        resource = event["resource"]
        if "prefect.version" in resource:
            found.setdefault(str(resource["prefect.resource.name"]), str(resource["prefect.version"]))
    return found
