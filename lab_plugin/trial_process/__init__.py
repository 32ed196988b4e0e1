"""The process of one trial's flow run on a process worker, forked from one that has imported what it needs.

`python -m lab_plugin.trial_process` is what a worker starts. To import Prefect takes longer than all else in
a trial's start, so a nursery does it once per worker: it forks each trial's process, and what the worker
started stands for that process until its end. The first trial imports by itself and starts the nursery, as
does any trial for which there is none; nothing depends on it.
"""

from lab_plugin.trial_process._asking import run_in_nursery, start_nursery
from lab_plugin.trial_process._engine import run_engine
from lab_plugin.trial_process._nursery import Nursery

__all__ = ["Nursery", "run_engine", "run_in_nursery", "start_nursery"]
