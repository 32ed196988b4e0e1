"""`[strategy]` and `[proposer]`: who makes ideas, and where."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lab_plugin.config._credential import Credentials
from lab_plugin.config._fields import Hosts, RelativePath, Seed, Text
from lab_plugin.config._space import Table


class Strategy(Table):
    """`[strategy]`: who makes ideas.

    Attributes:
        name: A proposer's name.
        batch: Points per idea.
        seed: Makes the proposer reproducible.
        order: `asynchronous`: each result counts the moment it is there. `deterministic`: results count in
            the order in which the ideas were made, and a proposer knows the same of them however many run
            at a time; the same seed then gives the same ideas and verdicts.
        window: Ideas that are made before the result of the first of them counts, under `deterministic`; at
            least as many as are to run at a time.
        settings: All further keys, as written; the proposer checks them.
    """

    name: Text
    batch: Annotated[int, Field(ge=1, le=10_000)] = 1
    seed: Seed = 0
    order: Literal["asynchronous", "deterministic"] = "asynchronous"
    window: Annotated[int, Field(ge=1, le=1_000)] = 4
    settings: dict[str, object] = Field(default_factory=dict)


class Proposer(Table):
    """`[proposer]`: the editing sandbox of a proposer that runs a program.

    Attributes:
        network: Rules of an allow-list, see `lab_plugin.network.Policy`; empty for no network.
        credentials: Secrets that are added outside of the sandbox to requests for an allowed host.
        files: Path, relative to the lab's folder -> `rw`, `ro` or `hidden`; the longest match holds, and
            `candidate.paths` are `rw` where nothing else is said.
    """

    network: Hosts = ()
    credentials: Credentials = ()
    files: dict[RelativePath, Literal["rw", "ro", "hidden"]] = Field(default_factory=dict)
