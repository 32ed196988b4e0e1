"""Prefect's engine, for the run that the environment names."""

from __future__ import annotations

import os
import runpy
import sys
import warnings

_FLOW = "lab_plugin.flows.trial.trial"
_ENGINE = "prefect.engine"


def load() -> None:
    """Import what each trial needs; takes seconds, and starts no thread."""
    from importlib import import_module

    for name in (_ENGINE, "prefect.flow_engine", "prefect.task_engine", _FLOW.rpartition(".")[0]):
        import_module(name)


def run_engine() -> None:
    """Be Prefect's engine, and look for no other code than the trial's flow.

    Raises:
        SystemExit: The run is over.
    """
    os.environ["PREFECT__FLOW_ENTRYPOINT"] = _FLOW
    sys.argv[1:] = []
    with warnings.catch_warnings():
        # It was imported before it is run.
        warnings.filterwarnings("ignore", category=RuntimeWarning, module="runpy")
        runpy.run_module(_ENGINE, run_name="__main__", alter_sys=True)
