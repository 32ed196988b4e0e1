"""The fleet: work pools, their workers, and the deployments that run on them, in the Prefect API."""

from lab_plugin.fleet._cloning import clone
from lab_plugin.fleet._deploying import Deployed, DeploymentWishes, Done, deploy
from lab_plugin.fleet._lab_plans import CAMPAIGNS, queues_of, trial_pools
from lab_plugin.fleet._launch import trial_command
from lab_plugin.fleet._pools import ensure_pool, gpu_limit, require_pool
from lab_plugin.fleet._registration import Cron, DeploymentPlan, Registered, ensure_deployment
from lab_plugin.fleet._trial import ensure_trial_deployment
from lab_plugin.fleet._workers import OnlineWorker, workers_of

__all__ = [
    "CAMPAIGNS",
    "Cron",
    "Deployed",
    "DeploymentPlan",
    "DeploymentWishes",
    "Done",
    "OnlineWorker",
    "Registered",
    "clone",
    "deploy",
    "ensure_deployment",
    "ensure_pool",
    "ensure_trial_deployment",
    "gpu_limit",
    "queues_of",
    "require_pool",
    "trial_command",
    "trial_pools",
    "workers_of",
]
