"""`[pools.NAME]`: the Prefect work pools that the tiers name, as they are made when they are missing."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from lab_plugin.config._fields import Text
from lab_plugin.config._space import Table
from lab_plugin.toml import Place

PoolKind = Literal["process", "docker", "docker-gpu", "kubernetes"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}")
_IMAGE = re.compile(r"[a-z0-9][A-Za-z0-9._:/@-]{0,254}")
_NEAR = 0.75


def check_pool_name(name: str) -> str:
    if not _NAME.fullmatch(name) or name.lower().startswith("prefect"):
        raise ValueError(
            "a pool's name has 1 to 60 characters: letters, digits, _, - and ., beginning with a letter or "
            "digit, and not with 'prefect', which Prefect keeps for itself"
        )
    return name


def check_queue_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(
            "a queue's name has 1 to 60 characters: letters, digits, _, - and ., beginning with a letter or "
            "digit"
        )
    return name


def _check_image(image: str) -> str:
    if not _IMAGE.fullmatch(image):
        raise ValueError('an image is named as "lab-worker:1.4" or "registry.example.org/lab@sha256:..."')
    last = image.rsplit("/", 1)[-1]
    if "@" not in last and (":" not in last or last.endswith(":latest")):
        raise ValueError(
            f'"{image}" is another image tomorrow; give a tag other than latest ("{last.split(":")[0]}:1.4") '
            "or a digest"
        )
    return image


class Pool(Table):
    """`[pools.NAME]`; no part of the lock: where a trial runs opens no new epoch.

    Attributes:
        kind: What its workers start for a run: a process of their own, a container, a container that has
            graphics cards, or a Kubernetes job.
        image: Of the container or job; it holds this package, and a tag or a digest that stays.
        concurrency: Runs of the pool at a time; None for no limit but the workers' own.
        gpus: Graphics cards of all its workers together; a Prefect global concurrency limit counts them out.
            None where nothing is counted.
        queues: Work queues of the pool, to their priorities: of what waits, workers take from 1 first.
    """

    kind: PoolKind = "process"
    image: Annotated[Text, AfterValidator(_check_image)] | None = None
    concurrency: Annotated[int, Field(ge=1, le=10_000)] | None = None
    gpus: Annotated[int, Field(ge=1, le=10_000)] | None = None
    queues: Mapping[
        Annotated[str, AfterValidator(check_queue_name)], Annotated[int, Field(ge=1, le=10_000)]
    ] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _image_where_one_is_used(self) -> Pool:
        if self.kind == "process" and self.image is not None:
            raise ValueError('image: a pool of processes has none; set kind = "docker", or remove it')
        if self.kind != "process" and self.image is None:
            raise ValueError(
                f"the key 'image' is missing: workers of kind \"{self.kind}\" run in an image that holds "
                "prefect-lab; docs/fleet.md says how it is made"
            )
        return self


class PoolTables(Table):
    """All tables `[pools.NAME]`.

    Attributes:
        tables: Name to table, in the order of `lab.toml`.
    """

    tables: Mapping[Annotated[str, AfterValidator(check_pool_name)], Pool]


def _unwrap(value: object) -> object:
    return value.tables if isinstance(value, PoolTables) else value


Pools = Annotated[Mapping[str, Pool], BeforeValidator(_unwrap)]


def check_pools(document: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """Find pools that tiers name and that cannot be meant.

    A pool without a table is taken to exist in Prefect, or to be one of processes when it must be made.

    Args:
        document: The raw file.
    """
    pools, tiers = document.get("pools"), document.get("tiers")
    tables = pools if isinstance(pools, Mapping) else {}
    declared = list(tables)
    for name, tier in tiers.items() if isinstance(tiers, Mapping) else ():
        pool = tier.get("pool") if isinstance(tier, Mapping) else None
        if not isinstance(pool, str):
            continue
        if pool in declared:
            yield from _check_queue(name, tier.get("queue"), pool, tables[pool])
            continue
        place: Place = ("tiers", name, "pool")
        try:
            check_pool_name(pool)
        except ValueError as error:
            yield place, f"tiers.{name}.pool: {error}"
            continue
        if near := _misspelt(pool, declared):
            message = f'there is no [pools.{pool}]; did you mean "{near}"? If not, declare [pools.{pool}]'
            yield place, f"tiers.{name}.pool: {message}"


def _check_queue(tier: str, queue: Any, pool: str, table: Any) -> Iterator[tuple[Place, str]]:
    """A queue that is none of those that its pool's table lists."""
    queues = table.get("queues") if isinstance(table, Mapping) else None
    if not isinstance(queues, Mapping) or not isinstance(queue, str) or queue in queues:
        return
    near = difflib.get_close_matches(queue, list(queues), 1, _NEAR)
    hint = f'did you mean "{near[0]}"?' if near else f"it has {', '.join(queues) or 'none'}"
    place: Place = ("tiers", tier, "queue")
    yield place, f'tiers.{tier}.queue: [pools.{pool}] has no queue "{queue}"; {hint}'


def _misspelt(pool: str, declared: list[str]) -> str:
    """The declared name that this one is nearly; "" for none. Names in a row (gpu-1, gpu-2) are none."""
    shape = re.sub(r"\d+", "0", pool)
    others = [name for name in declared if re.sub(r"\d+", "0", name) != shape]
    near = difflib.get_close_matches(pool, others, 1, _NEAR)
    return near[0] if near else ""
