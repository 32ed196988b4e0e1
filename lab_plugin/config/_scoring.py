"""`[scorer]` and `[decision]`: what makes a score and a verdict."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from lab_plugin.config._fields import Bytes, Command, Cores, Patterns, Seconds, Seed, refuse_relative
from lab_plugin.config._space import Name, Table


class Scorer(Table):
    """`[scorer]`: what makes the score, out of the candidate's reach.

    Attributes:
        files: Patterns, relative to the lab's folder; locked, and hidden from candidates.
        command: argv, without a shell; runs in a copy of the lab's folder that holds just `files`.
        metric: The metric of the scorecard that decides.
        goal: Which way is better.
        timeout: Wall seconds.
        memory: Bytes, the whole process tree together.
        cpus: Cores; fractions allowed.
    """

    files: Patterns
    command: Command
    metric: Name
    goal: Literal["maximize", "minimize"]
    timeout: Seconds = 600.0
    memory: Bytes = 2 << 30
    cpus: Cores = 1.0


class Decision(Table):
    """`[decision]`: when an idea is kept.

    Attributes:
        policy: `exact`: the values are compared as they are.
        min_improvement: By how much the metric must get better, absolute; 0 for any improvement.
        seed: `LAB_SEED` of every trial, so that candidate and champion are compared on common ground.
    """

    policy: Literal["exact"] = "exact"
    min_improvement: Annotated[float, BeforeValidator(refuse_relative), Field(ge=0)] = 0.0
    seed: Seed = 0
