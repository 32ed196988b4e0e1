"""The deployment by which trials reach the workers of a pool."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from lab_plugin.config import Pool
from lab_plugin.fleet._registration import DeploymentPlan, ensure_deployment

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient

TRIAL_FLOW = "lab_plugin.flows.trial.trial"


def trial_plan(pool: str, settings: Pool | None = None) -> DeploymentPlan:
    """`trial/<pool>`: no code is pulled, so a worker needs no more than this package."""
    image = {"image": settings.image} if settings is not None and settings.image is not None else {}
    return DeploymentPlan(TRIAL_FLOW, pool, pool, tags=("lab",), job_variables=image)


async def ensure_trial_deployment(client: PrefectClient, pool: str, settings: Pool | None = None) -> UUID:
    """Have the deployment `trial/<pool>`, and get its id.

    Args:
        client: Talks with the API.
        pool: A work pool that exists.
        settings: `[pools.NAME]`; its `image` holds for trials, whatever image the pool was made with.
    """
    return (await ensure_deployment(client, trial_plan(pool, settings))).id
