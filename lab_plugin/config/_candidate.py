"""`[candidate]`: what an idea may change, and how it runs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lab_plugin.config._credential import Credentials
from lab_plugin.config._fields import (
    Bytes,
    Command,
    Cores,
    Count,
    Hosts,
    Paths,
    RelativePath,
    Seconds,
    Served,
)
from lab_plugin.config._schemas import OutputSchema
from lab_plugin.config._space import Table
from lab_plugin.config._warm import Modules


class Candidate(Table):
    """`[candidate]`: what an idea may change, and how it runs.

    Attributes:
        paths: Files and folders, relative to the lab's folder; all that an idea may change.
        command: argv, without a shell. Empty where the lab serves a module.
        serve: `MODULE` or `MODULE:FUNCTION`, for contracts that question the candidate; None for none.
        outputs: Files, relative to `$LAB_OUTPUTS`; all that leaves the sandbox. Empty where answers do.
        schemas: Output -> what it must be; the scorer then sees a canonical copy. Any plain file without.
        timeout: Wall seconds.
        memory: Bytes, the whole process tree together.
        cpus: Cores; fractions allowed.
        processes: Processes and threads alive at once.
        disk: Bytes that may be written, outputs included.
        data: File or folder in the lab's folder that candidate and scorer may read; None for none.
        gpus: Devices; only the sandbox `docker` has any.
        network: Rules of an allow-list, see `lab_plugin.network.Policy`; empty for no network.
        credentials: Secrets that are added outside of the sandbox to requests for an allowed host.
        warm: Modules that an interpreter imports once and keeps, for trials that are then forks of it.
    """

    paths: Paths
    command: Command = ()
    serve: Served | None = None
    outputs: Paths = ()
    schemas: dict[RelativePath, OutputSchema] = Field(default_factory=dict)
    timeout: Seconds = 600.0
    memory: Bytes = 2 << 30
    cpus: Cores = 1.0
    processes: Count = 256
    disk: Bytes = 1 << 30
    data: RelativePath | None = None
    gpus: Annotated[int, Field(ge=0, le=64)] = 0
    network: Hosts = ()
    credentials: Credentials = ()
    warm: Modules = ()
