"""Work pools in the Prefect API: made when they are missing, and refused when they cannot run anything."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from lab_plugin.config import Pool
from lab_plugin.errors import PoolError
from lab_plugin.fleet._templates import job_template, worker_type

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import WorkPool, WorkQueue


def gpu_limit(pool: str) -> str:
    """The name of the global concurrency limit that counts out a pool's graphics cards.

    It exists where `[pools.NAME]` has `gpus`, from `ensure_pool` on.
    """
    return f"lab-gpus-{pool}"


async def ensure_pool(client: PrefectClient, name: str, settings: Pool | None = None) -> WorkPool:
    """Have a work pool, made from this package's template when it is missing.

    One that exists keeps its template, which may be the work of its owner; what `[pools.NAME]` says of
    `concurrency`, `gpus` and `queues` holds from now on, and nothing else is changed. Several processes may
    do this at once.

    Args:
        client: Talks with the API.
        name: Of the pool.
        settings: `[pools.NAME]`; None for a lab that has no such table: any pool that exists will do, and a
            new one is of processes.

    Raises:
        PoolError: There is one of another type than the lab declares.
    """
    from prefect.client.schemas.actions import WorkPoolUpdate

    pool = await _found_or_made(client, name, settings or Pool())
    if settings is None:
        return pool
    if pool.type != worker_type(settings):
        raise PoolError(
            f'The work pool "{name}" is of the type {pool.type}, and [pools.{name}] in lab.toml says '
            f"{settings.kind}.",
            f"Correct `kind` there, choose another name, or `prefect work-pool delete {name}`.",
        )
    if settings.concurrency not in (None, pool.concurrency_limit):
        await client.update_work_pool(name, WorkPoolUpdate(concurrency_limit=settings.concurrency))
        pool = await client.read_work_pool(name)
    if settings.gpus is not None:
        await client.upsert_global_concurrency_limit_by_name(gpu_limit(name), settings.gpus)
    for queue, priority in settings.queues.items():
        await _ensure_queue(client, name, queue, priority)
    return pool


async def _ensure_queue(client: PrefectClient, pool: str, name: str, priority: int) -> None:
    from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

    try:
        queue = await client.read_work_queue_by_name(name, pool)
    except ObjectNotFound:
        try:
            await client.create_work_queue(name, priority=priority, work_pool_name=pool)
            return
        except ObjectAlreadyExists:
            queue = await client.read_work_queue_by_name(name, pool)
    if queue.priority != priority:
        await client.update_work_queue(queue.id, priority=priority)


async def require_pool(client: PrefectClient, name: str, queues: Iterable[str] = ()) -> WorkPool:
    """The work pool, which takes runs.

    Args:
        client: Talks with the API.
        name: Of the pool.
        queues: Of its work queues, those that must take runs, too; "" for its default one. A queue that is
            missing is made by the first run that waits in it.

    Raises:
        PoolError: The pool is missing, or it or a queue is paused or has the concurrency limit 0.
    """
    from prefect.exceptions import ObjectNotFound

    try:
        pool = await client.read_work_pool(name)
    except ObjectNotFound:
        raise PoolError(
            f'There is no work pool "{name}" in the Prefect API {client.api_url}.',
            f"`lab deploy` makes the pools of a lab as its lab.toml has them; one of processes alone:"
            f" `prefect work-pool create {name} --type process`.",
        ) from None
    if halted := _halted(pool):
        raise PoolError(
            f'The work pool "{name}" {halted.why}: no worker gets a run from it.',
            f"`prefect work-pool {halted.command} {name}`",
        )
    for queue in queues:
        await _require_queue(client, pool, queue)
    return pool


async def _require_queue(client: PrefectClient, pool: WorkPool, name: str) -> None:
    from prefect.exceptions import ObjectNotFound

    try:
        if name:
            queue = await client.read_work_queue_by_name(name, pool.name)
        else:
            queue = await client.read_work_queue(pool.default_queue_id)
    except ObjectNotFound:
        return
    if halted := _halted(queue):
        raise PoolError(
            f'The work queue "{queue.name}" of the pool "{pool.name}" {halted.why}: no worker gets its runs.',
            f"`prefect work-queue {halted.command} {queue.name} --pool {pool.name}`",
        )


class _Halted(NamedTuple):
    """Why a pool or queue gives no run to a worker, and Prefect's command that mends it."""

    why: str
    command: str


def _halted(place: WorkPool | WorkQueue) -> _Halted | None:
    if place.is_paused:
        return _Halted("is paused", "resume")
    if place.concurrency_limit == 0:
        return _Halted("has the concurrency limit 0", "clear-concurrency-limit")
    return None


async def _found_or_made(client: PrefectClient, name: str, settings: Pool) -> WorkPool:
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

    try:
        return await client.read_work_pool(name)
    except ObjectNotFound:
        wanted = WorkPoolCreate(
            name=name,
            type=worker_type(settings),
            description="Made by prefect-lab, which does not change its job template again.",
            base_job_template=job_template(settings),
            concurrency_limit=settings.concurrency,
        )
    try:
        return await client.create_work_pool(wanted)
    except ObjectAlreadyExists:
        return await client.read_work_pool(name)
