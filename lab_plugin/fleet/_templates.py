"""What a new work pool starts its runs with: the base job templates that this package ships."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from lab_plugin.config import Pool


def worker_type(pool: Pool) -> str:
    """The type of the workers that serve a pool."""
    return pool.kind.partition("-")[0]


def job_template(pool: Pool) -> dict[str, Any]:
    """The base job template of a pool, with the pool's image where it has one."""
    source = files("lab_plugin") / "deployments" / "pools" / f"{pool.kind}.json"
    template: dict[str, Any] = json.loads(source.read_text("utf-8"))
    if pool.image is not None:
        template["variables"]["properties"]["image"]["default"] = pool.image
    return template
