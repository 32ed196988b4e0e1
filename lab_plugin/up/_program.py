"""What `lab up` runs: one server or worker, as it is started and known to be ready."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Launch:
    """How a program is started this time.

    Attributes:
        command: argv.
        environment: All of its environment.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]


class Program(abc.ABC):
    """A server or a worker.

    `launch` is asked anew for each start, so that a program can move to another port; `is_ready` again and
    again until it says yes. Both may be called while another `lab up` runs the program in this one's place.

    Attributes:
        name: Unique in a `lab up`; a file's name.
        ready_seconds: Within which it answers, on a slow machine.
    """

    name: str
    ready_seconds: float = 300.0

    @abc.abstractmethod
    def launch(self) -> Launch:
        """How to start it now.

        Raises:
            LabError: It cannot be started: a port that was asked for is taken.
        """

    @abc.abstractmethod
    async def is_ready(self) -> bool:
        """Whether it can be used now."""

    @abc.abstractmethod
    def where(self) -> str:
        """Where to find it, in one line; asked once it is ready."""

    def remedy(self, log: Path, said: str) -> str:
        """What to do when it ended before it was ready.

        Args:
            log: Its log.
            said: The log's part about this start.
        """
        return f"Its log is {log}."
