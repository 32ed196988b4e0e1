"""Prefect blocks: configuration of labs that several labs or machines share, edited in the Prefect UI.

Prefect imports this at the start of every server and worker, so it imports nothing large but Prefect; what a
block builds is imported when it is built.
"""

from lab_plugin.blocks._anthropic import AnthropicModel
from lab_plugin.blocks._lookup import look_up, look_up_repository
from lab_plugin.blocks._mlflow import MlflowTracking
from lab_plugin.blocks._register import BLOCKS, register
from lab_plugin.blocks._repository import LabRepository
from lab_plugin.blocks._sandboxes import BubblewrapSandbox, DockerSandbox
from lab_plugin.blocks._scorer_lock import ScorerLock

__all__ = [
    "BLOCKS",
    "AnthropicModel",
    "BubblewrapSandbox",
    "DockerSandbox",
    "LabRepository",
    "MlflowTracking",
    "ScorerLock",
    "look_up",
    "look_up_repository",
    "register",
]
