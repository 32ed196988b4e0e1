"""What brings orders to workers, as the rest of the lab sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from lab_plugin.remote._order import TrialOrder

End = Literal["done", "refused", "lost", "cancelled"]
"""`done`: its result is on the remote, if the worker says the truth; `refused`: this worker cannot run it and
another one may; `lost`: nothing is known of what became of it; `cancelled`: the owner ended its run."""


@dataclass(frozen=True)
class Ended:
    """How a run of an order ended.

    Attributes:
        how: See `End`.
        worker: Name of the worker; "" where it is not known.
        message: What was said, one line.
    """

    how: End
    worker: str = ""
    message: str = ""


class Dispatcher(Protocol):
    """Runs orders on the workers of pools. It waits out an API that is gone, and says so."""

    async def unfinished(self) -> Mapping[str, str]:
        """Runs of this lab that are under way, also those that a dead process started: order -> run."""

    async def start(self, order: TrialOrder, pool: str) -> str:
        """Have an order run by a worker of a pool; its run.

        Raises:
            FleetError: There is no such pool, or it has no deployment for trials.
        """

    async def wait(self, run: str, pool: str) -> Ended:
        """Wait until a run is over, however that comes; says so where no worker takes it."""

    async def cancel(self, run: str, why: str) -> None:
        """End a run and all that it started; nothing where it is over."""

    async def workers(self, pool: str) -> frozenset[str]:
        """Names of the workers of a pool that are online."""
