"""The deployment by which trials reach the workers of a pool."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from lab_plugin.fleet._registration import DeploymentPlan, ensure_deployment

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient

TRIAL_FLOW = "lab_plugin.flows.trial.trial"


def trial_plan(pool: str) -> DeploymentPlan:
    """`trial/<pool>`: no code is pulled, so a worker needs no more than this package.

    All labs share it: what differs between them, each run is told.
    """
    return DeploymentPlan(TRIAL_FLOW, pool, pool, tags=("lab",))


async def ensure_trial_deployment(client: PrefectClient, pool: str) -> UUID:
    """Have the deployment `trial/<pool>`, and get its id.

    Args:
        client: Talks with the API.
        pool: A work pool that exists.
    """
    return (await ensure_deployment(client, trial_plan(pool))).id
