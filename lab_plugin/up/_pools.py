"""The work pools that a lab's trials go to, and which of them a worker of this machine can serve."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab_plugin.config import Config
from lab_plugin.fleet import CAMPAIGNS, ensure_pool

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient

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
    if config is None:
        return ()
    return tuple(dict.fromkeys([*config.pools, *(tier.pool for tier in config.tiers if tier.pool)]))


async def make_pools(
    client: PrefectClient, config: Config | None, *, own_user_only: bool
) -> list[Served | Skipped]:
    """Have every declared pool in the API, and see which can be served here.

    The pool of campaigns is served too where `lab deploy` made it.

    Args:
        client: Talks with the API.
        config: The lab's.
        own_user_only: Whether the API serves this user alone, who is not the user of containers.

    Raises:
        PoolError: There is a pool of another kind than the lab declares.
    """
    found: list[Served | Skipped] = []
    for name in declared_pools(config):
        assert config is not None
        pool = await ensure_pool(client, name, config.pools.get(name))
        found.append(_judge(name, pool.type, own_user_only))
    if config is not None and CAMPAIGNS not in declared_pools(config):
        found.extend(await _campaigns(client, own_user_only))
    return found


async def _campaigns(client: PrefectClient, own_user_only: bool) -> list[Served | Skipped]:
    from prefect.exceptions import ObjectNotFound

    try:
        pool = await client.read_work_pool(CAMPAIGNS)
    except ObjectNotFound:
        return []
    return [_judge(pool.name, pool.type, own_user_only)]


def _judge(name: str, kind: str, own_user_only: bool) -> Served | Skipped:
    package = _HERE.get(kind)
    if package is None:
        return Skipped(name, f"its workers are of the type {kind}; start one where it can run")
    if importlib.util.find_spec(package) is None:
        return Skipped(name, f"its worker needs {package.replace('_', '-')}, which is not installed")
    if kind == "docker" and own_user_only:
        return Skipped(name, "its containers have a user of their own, who needs `lab up --auth`")
    return Served(name, kind)
