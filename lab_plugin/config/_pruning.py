"""`[pruning]`: when a run is ended early, by the curve that the candidate reports of itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field

from lab_plugin.config._space import Table
from lab_plugin.toml import Place

PrunerName = Literal["median", "percentile", "hyperband", "wilcoxon", "patient"]
CURVES = 200
"""A pruner sees the newest curves of the epoch, that many at least."""

_STEPS = 2**53
_AMONG = ("startup", "warmup", "interval")
_KNOWS: dict[str, tuple[str, ...]] = {
    "median": _AMONG,
    "percentile": (*_AMONG, "percentile"),
    "hyperband": ("min_resource", "max_resource", "reduction_factor"),
    "wilcoxon": ("warmup", "p_threshold"),
    "patient": ("patience", "min_delta", "then"),
}
_COMMON = ("pruner", "goal")

Step = Annotated[int, Field(ge=0, le=_STEPS)]
Resource = Annotated[int, Field(ge=1, le=_STEPS)]


class Pruning(Table):
    """`[pruning]`: the pruner and its settings, as Optuna has them; each pruner takes only its own.

    Attributes:
        pruner: `median`, `percentile`, `hyperband`, `wilcoxon`, or `patient`.
        goal: Which way the curve's values are better; None as the metric.
        startup: Scored ideas with a curve before which nothing is pruned (median, percentile).
        warmup: Steps before which nothing is pruned (median, percentile), or pairs of points (wilcoxon).
        interval: Steps from one look to the next (median, percentile).
        percentile: Share of the curves that are good enough, in percent (percentile).
        min_resource: Steps that every run has (hyperband).
        max_resource: Steps of a whole run; None for the longest of the first curves (hyperband).
        reduction_factor: One in that many goes on at each rung (hyperband).
        p_threshold: Prune below that p-value (wilcoxon).
        patience: Points in a row without progress (patient).
        min_delta: What counts as no progress, in the curve's unit (patient).
        then: The pruner that decides once patience is lost; None to prune at once (patient). Not `hyperband`,
            which has to see every rung.
    """

    pruner: PrunerName
    goal: Literal["maximize", "minimize"] | None = None
    startup: Annotated[int, Field(ge=0, le=CURVES)] = 5
    warmup: Step | None = None
    interval: Resource = 1
    percentile: Annotated[float, Field(ge=0, le=100)] = 25.0
    min_resource: Resource = 1
    max_resource: Resource | None = None
    reduction_factor: Annotated[int, Field(ge=2, le=1_000)] = 3
    p_threshold: Annotated[float, Field(gt=0, le=1)] = 0.1
    patience: Annotated[int, Field(ge=0, le=CURVES)] = 10
    min_delta: Annotated[float, Field(ge=0)] = 0.0
    then: Literal["median", "percentile", "wilcoxon"] | None = None


def own_pruning(base: Mapping[str, object], own: Mapping[str, object]) -> dict[str, object]:
    """The table of a tier that gives some keys of it itself.

    Of another pruner than the lab's, it takes over no setting that this one does not know.

    Args:
        base: The lab's, as written.
        own: The tier's.
    """
    pruner, then = own.get("pruner", base.get("pruner")), own.get("then", base.get("then"))
    known = {*base}
    if "pruner" in own or "then" in own:
        inner = str(then) if pruner == "patient" else ""
        known = {*_COMMON, *_KNOWS.get(str(pruner), ()), *_KNOWS.get(inner, ())}
    return {**{key: value for key, value in base.items() if key in known}, **own}


def check_pruning(
    values: Callable[[str, str], object], given: Callable[[str], Collection[str] | None]
) -> Iterator[tuple[Place, str]]:
    """Find settings that the pruner does not know, and limits that can never be reached.

    Args:
        values: Gives the value of a key of a table; None when it is absent or has a fault.
        given: Gives the keys of a table, sound or not; None when there is no such table.
    """
    keys = given("pruning")
    if keys is None:
        return
    contract = values("scorer", "contract")
    if contract is not None and contract != "outputs":
        yield (
            ("pruning",),
            f'[pruning] reads the candidate\'s stdout, which belongs to the contract "outputs" alone; leave '
            f'it out, or change scorer.contract, which is "{contract}"',
        )
    if values("strategy", "order") == "deterministic":
        yield (
            ("strategy", "order"),
            "strategy.order: with [pruning] a run is judged by the curves that are there meanwhile, so its "
            'end hangs on the number of slots; leave [pruning] out, or say "asynchronous"',
        )
    pruner, then = values("pruning", "pruner"), values("pruning", "then")
    if isinstance(pruner, str) and pruner in _KNOWS:
        own = _KNOWS[pruner]
        if pruner == "patient" and isinstance(then, str):
            own += _KNOWS.get(then, ())
        yield from _useless(pruner, then, own, keys)
    least, most = values("pruning", "min_resource"), values("pruning", "max_resource")
    if isinstance(least, int) and isinstance(most, int) and least > most:
        yield (
            ("pruning", "min_resource"),
            f"pruning.min_resource: {least} is above max_resource, {most}, so nothing would ever be pruned",
        )


def _useless(
    pruner: str, then: object, own: Collection[str], keys: Collection[str]
) -> Iterator[tuple[Place, str]]:
    name = f'"{pruner}"' + (f' and then "{then}"' if pruner == "patient" and then else "")
    known = {key for group in _KNOWS.values() for key in group}
    for key in keys:
        if key in known and key not in own:
            users = " or ".join(f'"{other}"' for other, group in _KNOWS.items() if key in group)
            yield (
                ("pruning", key),
                f"pruning.{key}: the pruner {name} has no such setting, only {users}; it takes "
                f"{', '.join((*_COMMON[1:], *own))}",
            )
