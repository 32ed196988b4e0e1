"""Deployments in the Prefect API: registered once, and again only when something about them changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from lab_plugin import __version__
from lab_plugin.imports import large_imports

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import DeploymentSchedule
    from prefect.client.schemas.responses import DeploymentResponse
    from prefect.flows import Flow

Outcome = Literal["created", "updated", "unchanged"]


@dataclass(frozen=True)
class Cron:
    """A schedule.

    Attributes:
        slug: Its name within the deployment.
        cron: Five fields.
        timezone: Such as "Europe/Berlin".
        parameters: Of its runs, in place of the deployment's.
    """

    slug: str
    cron: str
    timezone: str = "UTC"
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DeploymentPlan:
    """A deployment as it is to be.

    Attributes:
        flow: Dotted path of the flow, such as `lab_plugin.flows.trial.trial`: whoever has this package can
            run it, and needs no other code.
        name: The deployment's.
        pool: The work pool that runs it.
        parameters: Defaults of its runs.
        description: For people, in markdown; the flow's own when empty.
        tags: Of its runs.
        schedules: When it runs by itself; None to leave those that it has.
        pull_steps: What a worker does before, such as cloning a repository.
        job_variables: In place of the pool's.
        at_a_time: Runs at a time, a further one is cancelled; None for no limit.
    """

    flow: str
    name: str
    pool: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    tags: tuple[str, ...] = ()
    schedules: tuple[Cron, ...] | None = ()
    pull_steps: tuple[Mapping[str, Any], ...] = ()
    job_variables: Mapping[str, Any] = field(default_factory=dict)
    at_a_time: int | None = None


@dataclass(frozen=True)
class Registered:
    """A deployment that the API has.

    Attributes:
        id: Of the deployment.
        name: `FLOW/NAME`, as Prefect's commands take it.
        outcome: What was done.
    """

    id: UUID
    name: str
    outcome: Outcome


async def ensure_deployment(client: PrefectClient, plan: DeploymentPlan) -> Registered:
    """Have a deployment as planned; what a person set in the UI besides (paused, a schedule off) stays.

    Args:
        client: Talks with the API.
        plan: The deployment.
    """
    from prefect.utilities.callables import parameter_schema

    flow = _load(plan.flow)
    wanted: dict[str, Any] = {
        "version": __version__,
        "entrypoint": plan.flow,
        "work_pool_name": plan.pool,
        "parameters": dict(plan.parameters),
        "description": plan.description or flow.description,
        "tags": sorted(plan.tags),
        "pull_steps": [dict(step) for step in plan.pull_steps],
        "job_variables": dict(plan.job_variables),
        "parameter_openapi_schema": parameter_schema(flow).model_dump_for_openapi(),
    }
    name, existing = await find_deployment(client, plan)
    if existing is not None and _agrees(existing, plan, wanted):
        return Registered(existing.id, name, "unchanged")
    id_ = await client.create_deployment(
        flow_id=await client.create_flow_from_name(flow.name),
        name=plan.name,
        schedules=_schedules(plan, existing.schedules if existing else []),
        enforce_parameter_schema=True,
        concurrency_limit=plan.at_a_time,
        concurrency_options=_cancelling() if plan.at_a_time else None,
        **wanted,
    )
    return Registered(id_, name, "updated" if existing else "created")


async def find_deployment(
    client: PrefectClient, plan: DeploymentPlan
) -> tuple[str, DeploymentResponse | None]:
    """The name of a deployment, `FLOW/NAME`, and what the API has under it; None for nothing.

    Args:
        client: Talks with the API.
        plan: The deployment.
    """
    from prefect.exceptions import ObjectNotFound

    name = f"{_load(plan.flow).name}/{plan.name}"
    try:
        return name, await client.read_deployment_by_name(name)
    except ObjectNotFound:
        return name, None


def _load(path: str) -> Flow[..., Any]:
    with large_imports():
        from prefect.flows import load_flow_from_entrypoint

        return load_flow_from_entrypoint(path, use_placeholder_flow=False)


def _agrees(existing: DeploymentResponse, plan: DeploymentPlan, wanted: Mapping[str, Any]) -> bool:
    limit = existing.global_concurrency_limit
    return (
        all(_plain(getattr(existing, key)) == value for key, value in wanted.items())
        and (limit.limit if limit else None) == plan.at_a_time
        and (
            plan.schedules is None
            or sorted(map(_said, existing.schedules)) == sorted(map(_planned, plan.schedules))
        )
    )


def _plain(value: Any) -> Any:
    """Without what makes no difference: the order of tags, None for nothing."""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return sorted(value)
    return value


def _said(schedule: DeploymentSchedule) -> tuple[str, str, str, str]:
    said = schedule.schedule
    cron, timezone = getattr(said, "cron", ""), getattr(said, "timezone", "")
    return schedule.slug or "", cron, timezone or "UTC", repr(schedule.parameters)


def _planned(cron: Cron) -> tuple[str, str, str, str]:
    return cron.slug, cron.cron, cron.timezone, repr(dict(cron.parameters))


def _schedules(plan: DeploymentPlan, existing: list[DeploymentSchedule]) -> list[Any]:
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.schedules import CronSchedule

    if plan.schedules is None:
        kept = {"schedule", "active", "parameters", "slug"}
        return [DeploymentScheduleCreate(**each.model_dump(include=kept)) for each in existing]
    off = {each.slug for each in existing if not each.active}
    return [
        DeploymentScheduleCreate(
            schedule=CronSchedule(cron=each.cron, timezone=each.timezone),
            active=each.slug not in off,
            parameters=dict(each.parameters),
            slug=each.slug,
        )
        for each in plan.schedules
    ]


def _cancelling() -> Any:
    from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions

    return ConcurrencyOptions(collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)
