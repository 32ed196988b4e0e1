"""The work pools that a lab's trials go to, and which of them a worker of this machine can serve."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab_plugin.config import Config

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import WorkPool

# Worker's type -> the package that brings it.
_HERE = {"process": "prefect", "docker": "prefect_docker"}


@dataclass(frozen=True)
class Served:
    """A pool that a worker here can serve.

    Attributes:
        name: The pool's.
        kind: The worker's type.
    """

    name: str
    kind: str


@dataclass(frozen=True)
class Skipped:
    """A pool that gets no worker here.

    Attributes:
        name: The pool's.
        why: The reason, and what serves it.
    """

    name: str
    why: str


def declared_pools(config: Config | None) -> tuple[str, ...]:
    """The pools that a lab names, in order; none without a lab."""
    tiers = config.tiers if config is not None else ()
    return tuple(dict.fromkeys(tier.pool for tier in tiers if tier.pool))


async def make_pools(client: PrefectClient, config: Config | None) -> list[Served | Skipped]:
    """Have every declared pool in the API, and see which can be served here.

    Args:
        client: Talks with the API.
        config: The lab's.
    """
    found: list[Served | Skipped] = []
    for name in declared_pools(config):
        pool = await ensure(client, name)
        found.append(_judge(name, pool.type))
    return found


def _judge(name: str, kind: str) -> Served | Skipped:
    package = _HERE.get(kind)
    if package is None:
        return Skipped(name, f"its workers are of the type {kind}, and run where that is; start one there")
    if importlib.util.find_spec(package) is None:
        return Skipped(name, f"its workers need {package.replace('_', '-')}; pip install it")
    return Served(name, kind)


async def ensure(client: PrefectClient, name: str) -> WorkPool:
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectNotFound

    try:
        return await client.read_work_pool(name)
    except ObjectNotFound:
        return await client.create_work_pool(WorkPoolCreate(name=name, type="process"))
