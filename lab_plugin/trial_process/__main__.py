"""Run the trial that the environment names, or, with a socket and a worker's pidfd, be its nursery."""

from __future__ import annotations

import os
import sys

from lab_plugin.trial_process._asking import run_in_nursery, start_nursery
from lab_plugin.trial_process._engine import run_engine
from lab_plugin.trial_process._nursery import Nursery


def main(arguments: list[str]) -> None:
    """Run the trial, or be the nursery: then it returns in each process that is a trial's."""
    if arguments:
        Nursery(*map(int, arguments)).serve()
    else:
        if os.getpid() != os.getpgrp():
            # Ctrl-C in the worker's terminal is for the worker.
            os.setsid()
        if sys.platform == "linux":
            run_in_nursery()
            start_nursery()
    # Also in a process that the nursery forked.
    run_engine()


main(sys.argv[1:])
