"""The pools and deployments of one lab."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab_plugin.config import Config, Pool
from lab_plugin.errors import PoolError
from lab_plugin.fleet._notifying import lab_tag
from lab_plugin.fleet._registration import Cron, DeploymentPlan
from lab_plugin.fleet._source import Source
from lab_plugin.fleet._trial import trial_plan

CAMPAIGNS = "campaigns"
"""The work pool of campaigns, where none is named."""

CLONE_STEP = "lab_plugin.fleet.clone"
_DAILY, _WEEKLY, _OFTEN = "0 7 * * *", "0 7 * * 1", "*/10 * * * *"


def trial_pools(config: Config) -> Mapping[str, Pool | None]:
    """The pools that a lab's tiers name, and those that it declares; None for one without a table."""
    named = (tier.pool for tier in config.tiers if tier.pool)
    return {name: config.pools.get(name) for name in dict.fromkeys((*named, *config.pools))}


def queues_of(config: Config) -> dict[str, list[str]]:
    """The pools that tiers name, and the work queues of each that trials wait in; "" for the default one."""
    found: dict[str, list[str]] = {}
    for tier in config.tiers:
        if tier.pool:
            found.setdefault(tier.pool, []).append(tier.queue)
    return {pool: list(dict.fromkeys(queues)) for pool, queues in found.items()}


def pools_of(config: Config, campaigns: str) -> dict[str, Pool | None]:
    """All pools of a lab, that of its campaigns first.

    Raises:
        PoolError: Campaigns would share a pool with the trials that they wait for.
    """
    trials = trial_pools(config)
    if campaigns in {tier.pool for tier in config.tiers}:
        raise PoolError(
            f'Campaigns in the pool "{campaigns}" could take all of its workers, and wait for ever for '
            "trials that run there too.",
            "Name another pool for campaigns: `--pool campaigns`.",
        )
    return {campaigns: config.pools.get(campaigns), **trials}


def lab_plans(
    config: Config,
    source: Source,
    pool: str,
    schedule: str | None,
    timezone: str,
    owner: tuple[str, ...] = (),
) -> list[DeploymentPlan]:
    """The deployments of a lab: those of its own, each in a clone, and `trial` on each pool of its tiers.

    Args:
        config: The lab's.
        source: What is cloned.
        pool: Of campaigns, digests and watchdogs.
        schedule: When a campaign runs by itself, as five fields; "" for never, None for as before.
        timezone: Of all schedules.
        owner: Tags that say whose they are; those of `trial` are every lab's.
    """
    name = config.lab.name
    settings = config.pools.get(pool)
    common: dict[str, Any] = {
        "pool": pool,
        "tags": ("lab", lab_tag(name), *owner),
        "pull_steps": ({CLONE_STEP: _step(source)},),
        "job_variables": {"image": settings.image} if settings is not None and settings.image else {},
    }
    lab = {"lab": source.folder}
    nightly = None if schedule is None else (Cron("campaign", schedule, timezone),) if schedule else ()
    campaign = DeploymentPlan(
        "lab_plugin.flows.campaign.campaign", f"{name}-campaign", parameters=lab, schedules=nightly, **common
    )
    digest = DeploymentPlan(
        "lab_plugin.flows.digest.digest",
        f"{name}-digest",
        parameters=lab,
        schedules=(
            Cron("daily", _DAILY, timezone, {"period": "daily"}),
            Cron("weekly", _WEEKLY, timezone, {"period": "weekly"}),
        ),
        **common,
    )
    watchdog = DeploymentPlan(
        "lab_plugin.flows.watchdog.watchdog",
        f"{name}-watchdog",
        parameters=lab,
        schedules=(Cron("often", _OFTEN, timezone),),
        at_a_time=1,
        **common,
    )
    used = dict.fromkeys(tier.pool for tier in config.tiers if tier.pool)
    return [campaign, digest, watchdog, *map(trial_plan, used)]


def _step(source: Source) -> dict[str, str]:
    step = {"repository": source.repository, "branch": source.branch, "remote": source.remote}
    return {**step, "access_token": source.token} if source.token else step
