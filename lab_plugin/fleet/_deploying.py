"""`lab deploy`: all that a lab needs in the Prefect API, and nothing twice."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from lab_plugin.errors import ConfigError
from lab_plugin.fleet._lab_plans import CAMPAIGNS, lab_plans, pools_of
from lab_plugin.fleet._notifying import check_webhook, ensure_notices
from lab_plugin.fleet._ownership import owned, ownership
from lab_plugin.fleet._pools import ensure_pool
from lab_plugin.fleet._registration import Outcome, ensure_deployment
from lab_plugin.fleet._source import source_of
from lab_plugin.fleet._wanted import wanted
from lab_plugin.fleet._workers import workers_of
from lab_plugin.lab import Lab
from lab_plugin.repository import shown_address

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient


@dataclass(frozen=True)
class DeploymentWishes:
    """What is wished of `lab deploy`.

    Attributes:
        repository: URL or path that workers clone, or a block that says so, `lab-repository/NAME`; "" for the
            lab's remote.
        branch: Its branch; "" for that of the block, else the one that is checked out.
        pool: Of campaigns, digests and watchdogs.
        schedule: When a campaign runs by itself, as five fields; "none" for never, "" for as before.
        timezone: Of the schedules.
        notify: Webhook to call; "" for none.
    """

    repository: str = ""
    branch: str = ""
    pool: str = CAMPAIGNS
    schedule: str = ""
    timezone: str = "UTC"
    notify: str = ""


@dataclass(frozen=True)
class Done:
    """One thing that the API has.

    Attributes:
        kind: What it is.
        name: How it is called there.
        outcome: What was done.
        workers: Online, for a pool.
    """

    kind: Literal["pool", "deployment", "automation"]
    name: str
    outcome: Outcome
    workers: int | None = None


@dataclass(frozen=True)
class Deployed:
    """What `lab deploy` did.

    Attributes:
        lab: The lab's name.
        api: Where.
        repository: What workers clone, without secrets.
        branch: Its branch.
        folder: The lab's folder in it.
        done: In order.
        warnings: One sentence each.
    """

    lab: str
    api: str
    repository: str
    branch: str
    folder: str
    done: tuple[Done, ...]
    warnings: tuple[str, ...] = field(default=())

    @property
    def changed(self) -> bool:
        """Whether anything is other than before."""
        return any(each.outcome != "unchanged" for each in self.done)


async def deploy(client: PrefectClient, lab: Lab, wishes: DeploymentWishes) -> Deployed:
    """Have the pools, deployments and automations of a lab; what is there as wished is left alone.

    The types of the lab's blocks are registered too, so that the UI has their forms.

    Args:
        client: Talks with the API.
        lab: The lab; committed, and shared through a git remote that can be reached.
        wishes: Anything else.

    Raises:
        ConfigError: The schedule, the webhook or the block of the repository cannot be.
        ApiError: The API does not tell the block.
        PoolError: A pool is of another type than declared, or campaigns would wait in their own pool.
        RepositoryError: Workers could not clone the lab, or would lack a part of it.
        LabError: The lab is not shared, or the API has deployments of another lab under its name.
    """
    from lab_plugin.blocks import register

    _check(wishes)
    pools = pools_of(lab.config, wishes.pool)
    source = source_of(lab, await asyncio.to_thread(wanted, wishes.repository, wishes.branch))
    schedule = _cron(wishes) if wishes.schedule else None
    plans = lab_plans(lab.config, source, wishes.pool, schedule, wishes.timezone, ownership(lab))
    plans = await owned(client, lab.name, plans)
    await register(client)
    done: list[Done] = []
    for name, settings in pools.items():
        before = await _fingerprint(client, name)
        pool = await ensure_pool(client, name, settings)
        after = await _fingerprint(client, name)
        outcome: Outcome = "created" if before is None else "unchanged" if before == after else "updated"
        done.append(Done("pool", pool.name, outcome, len(await workers_of(client, name))))
    for plan in plans:
        registered = await ensure_deployment(client, plan)
        done.append(Done("deployment", registered.name, registered.outcome))
    if wishes.notify:
        notices = await ensure_notices(client, lab.name, wishes.notify)
        done.extend(Done("automation", name, outcome) for name, outcome in notices)
    api = str(client.api_url).rstrip("/")
    shown = shown_address(source.repository)
    return Deployed(lab.name, api, shown, source.branch, source.folder, tuple(done), source.warnings)


async def _fingerprint(client: PrefectClient, name: str) -> tuple[object, ...] | None:
    """What `ensure_pool` may change; None for a pool that is missing."""
    from prefect.exceptions import ObjectNotFound

    from lab_plugin.fleet._pools import gpu_limit

    try:
        pool = await client.read_work_pool(name)
    except ObjectNotFound:
        return None
    try:
        cards = (await client.read_global_concurrency_limit_by_name(gpu_limit(name))).limit
    except ObjectNotFound:
        cards = None
    queues = await client.read_work_queues(work_pool_name=name)
    return pool.concurrency_limit, cards, frozenset((queue.name, queue.priority) for queue in queues)


def _cron(wishes: DeploymentWishes) -> str:
    return "" if wishes.schedule == "none" else wishes.schedule


def _check(wishes: DeploymentWishes) -> None:
    from prefect.client.schemas.schedules import CronSchedule
    from pydantic import ValidationError

    if wishes.notify:
        check_webhook(wishes.notify)
    try:
        CronSchedule(cron=_cron(wishes) or "0 0 * * *", timezone=wishes.timezone)
    except ValidationError as error:
        what = "; ".join(str(each["msg"]).removeprefix("Value error, ") for each in error.errors())
        raise ConfigError(
            f"The schedule cannot be: {what}.",
            '--schedule takes five fields, such as "0 1 * * *" for one in the night, and --timezone a name, '
            "such as Europe/Berlin.",
        ) from None
