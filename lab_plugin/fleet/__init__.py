"""The fleet: work pools, their workers, and the deployments that run on them, in the Prefect API."""

from lab_plugin.fleet._pools import ensure_pool, gpu_limit, require_pool
from lab_plugin.fleet._registration import Cron, DeploymentPlan, Registered, ensure_deployment
from lab_plugin.fleet._trial import ensure_trial_deployment
from lab_plugin.fleet._workers import OnlineWorker, workers_of

__all__ = [
    "Cron",
    "OnlineWorker",
    "DeploymentPlan",
    "Registered",
    "ensure_deployment",
    "ensure_pool",
    "ensure_trial_deployment",
    "gpu_limit",
    "require_pool",
    "workers_of",
]
