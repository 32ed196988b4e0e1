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
    refuse_any,
)
from lab_plugin.config._space import Table


class Candidate(Table):
    """`[candidate]`: what an idea may change, and how it runs.

    Attributes:
        paths: Files and folders, relative to the lab's folder; all that an idea may change.
        command: argv, without a shell.
        outputs: Files, relative to `$LAB_OUTPUTS`; all that leaves the sandbox.
        timeout: Wall seconds.
        memory: Bytes, the whole process tree together.
        cpus: Cores; fractions allowed.
        processes: Processes and threads alive at once.
        disk: Bytes that may be written, outputs included.
        data: File or folder in the lab's folder that candidate and scorer may read; None for none.
        gpus: 0 in this version.
        network: Rules of an allow-list, see `lab_plugin.network.Policy`; empty for no network.
        credentials: Secrets that are added outside of the sandbox to requests for an allowed host.
    """

    paths: Paths
    command: Command
    outputs: Paths
    timeout: Seconds = 600.0
    memory: Bytes = 2 << 30
    cpus: Cores = 1.0
    processes: Count = 256
    disk: Bytes = 1 << 30
    data: RelativePath | None = None
    gpus: Annotated[int, Field(ge=0), refuse_any("GPU")] = 0
    network: Hosts = ()
    credentials: Credentials = ()
