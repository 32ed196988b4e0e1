"""What a worker is asked to do: small, plain, and without a secret in it."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from lab_plugin.errors import FleetError

MAX_BYTES = 256 << 10
"""Of an order as JSON; Prefect itself refuses parameters above 512 kB."""

Kind = Literal["kits", "scorers", "data", "trials", "results"]
"""What travels: the lab's configuration with its lock, the scorer, public data, candidates, and results."""

Oid = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]


class TrialOrder(BaseModel):
    """One trial, for whichever worker takes it.

    Attributes:
        version: Of this package; a worker has the same.
        remote: The git remote by which everything travels, as a worker reaches it.
        lab: The lab's name.
        kit: Tree of the lab's configuration and lock.
        scorer: Tree of the scorer's files, for the scoring alone.
        data: Tree of the public data; None without any.
        candidate: Tree of the candidate, without what is hidden from it.
        lock: Digest of the lock.
        tier: The tier's name.
        name: The trial's, unique among those that run.
        number: The idea's; 0 for the baseline.
        seed: `LAB_SEED`.
        params: The trial's parameters.
        sealed: The hold-out scores it, and nothing but the value comes back.
        gpus: Graphics cards that the candidate needs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    remote: str
    lab: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    kit: Oid
    scorer: Oid
    data: Oid | None = None
    candidate: Oid
    lock: str
    tier: str
    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,199}$")]
    number: Annotated[int, Field(ge=0)]
    seed: int
    params: dict[str, Any]
    sealed: bool = False
    gpus: Annotated[int, Field(ge=0)] = 0

    @property
    def id(self) -> str:
        """40 hex digits: the same for the same trial, by whatever way it reaches a worker."""
        told = self.model_dump(mode="json", exclude={"remote"})
        text = json.dumps(told, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:40]

    def ref(self, kind: Kind) -> str:
        """The ref on the remote of what this order needs, or of its result.

        Raises:
            FleetError: It needs no such thing.
        """
        names = {
            "kits": self.kit,
            "scorers": self.scorer,
            "data": self.data,
            "trials": self.candidate,
            "results": self.id,
        }
        if (name := names[kind]) is None:
            raise FleetError(f"The trial {self.name} needs no {kind}.")
        return ref_of(self.lab, kind, name)


def ref_of(lab: str, kind: Kind, name: str) -> str:
    """The ref on a remote of one thing that travels.

    Args:
        lab: The lab's name.
        kind: What it is.
        name: Its tree; of a result the id of its order.
    """
    return f"refs/lab/{lab}/{kind}/{name}"


def require_small(order: TrialOrder) -> None:
    """See that an order can travel.

    Raises:
        FleetError: Its parameters are too large.
    """
    size = len(order.model_dump_json())
    if size > MAX_BYTES:
        raise FleetError(
            f"The parameters of the trial {order.name} make an order of {size:,} bytes, and a worker takes "
            f"{MAX_BYTES:,} at most.",
            "Keep large parameters in files of [candidate] paths, outside of [search_space] file.",
        )
