"""`[tiers.NAME]`: fidelity levels, and who goes from one to the next."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator

from lab_plugin.config._fields import Seed, Text, check_unique
from lab_plugin.config._pools import check_queue_name
from lab_plugin.config._space import Table, check_some
from lab_plugin.promotion import Decided, Quantile, Rule, Threshold, TopK, can_fire
from lab_plugin.toml import Place

LAST = "final"
"""Name of the tier of a lab that declares none."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,29}")
_RULES = '{ top_k = 2, of = 8 }, { quantile = 0.33 }, { threshold = 0.9 } or "decision"'
_MOST_SEEDS = 1_000


def _check_tier_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(
            "a tier's name has 1 to 30 characters: a to z, 0 to 9, _ and -, beginning with a letter"
        )
    return name


def _read_seeds(value: object) -> object:
    """A number of seeds as that many, from 0."""
    if isinstance(value, int) and not isinstance(value, bool):
        if not 1 <= value <= _MOST_SEEDS:
            raise ValueError(f"a tier has 1 to {_MOST_SEEDS} seeds, not {value}")
        return tuple(range(value))
    if not isinstance(value, list | tuple):
        raise ValueError("must be a number of seeds, such as 2, or a list of them, such as [0, 1]")
    if len(value) > _MOST_SEEDS:
        raise ValueError(f"a tier has 1 to {_MOST_SEEDS} seeds, not {len(value)}")
    return tuple(value)


def _read_pruning(value: object) -> object:
    if isinstance(value, dict) or value is False:
        return value
    raise ValueError("must be a table, or false to end no run at this tier")


def read_rule(value: object) -> Rule:
    """A rule as it is written.

    Raises:
        ValueError: It is none.
    """
    if value == "decision":
        return Decided()
    if not isinstance(value, Mapping) or not value:
        raise ValueError(f"must be {_RULES}")
    keys, numbers = set(value), all(_is_number(item) for item in value.values())
    if keys - {"top_k", "of", "quantile", "threshold"} or not numbers:
        raise ValueError(f"must be {_RULES}")
    if keys in ({"top_k"}, {"top_k", "of"}):
        if not all(isinstance(item, int) for item in value.values()):
            raise ValueError("top_k and of are whole numbers")
        return TopK(value["top_k"], value.get("of"))
    if keys == {"quantile"}:
        return Quantile(float(value["quantile"]))
    if keys == {"threshold"}:
        return Threshold(float(value["threshold"]))
    raise ValueError(f"must be one of {_RULES}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class TierTable(Table):
    """`[tiers.NAME]`, in the order of the file: the cheapest first, and the last one decides.

    Attributes:
        seeds: `LAB_SEED` of each run here: a number of them, or a list. The value of an idea is their mean.
            The last tier has one, from which its comparisons count on.
        promote: Who goes on to the next tier; every tier but the last has it.
        timeout: Wall seconds of a candidate; None for that of `[candidate]`.
        pool: The work pool that runs it; None for this process.
        queue: The pool's work queue that its trials wait in; None for the pool's default one.
        candidate: Keys of `[candidate]` that are other here.
        sandbox: Of `[sandbox]`.
        scorer: Of `[scorer]`.
        decision: Of `[decision]`; of a tier before the last only where it promotes by the decision rule.
        pruning: Of `[pruning]`; False for no run that is ended here.
    """

    seeds: Annotated[
        tuple[Seed, ...],
        Field(strict=False),
        BeforeValidator(_read_seeds),
        AfterValidator(check_some),
        AfterValidator(check_unique),
    ]
    promote: Annotated[Rule | None, PlainValidator(read_rule)] = None
    timeout: str | int | float | None = None
    pool: Text | None = None
    queue: Annotated[Text, AfterValidator(check_queue_name)] | None = None
    candidate: dict[str, Any] = Field(default_factory=dict)
    sandbox: dict[str, Any] = Field(default_factory=dict)
    scorer: dict[str, Any] = Field(default_factory=dict)
    decision: dict[str, Any] = Field(default_factory=dict)
    pruning: Annotated[dict[str, Any] | Literal[False] | None, PlainValidator(_read_pruning)] = None


class TierTables(Table):
    """All tables `[tiers.NAME]`.

    Attributes:
        tables: Name to table, in the order of `lab.toml`.
    """

    tables: Mapping[Annotated[str, AfterValidator(_check_tier_name)], TierTable]


def check_tiers(document: Mapping[str, Any], tables: Mapping[str, TierTable]) -> Iterator[tuple[Place, str]]:
    """Find faults of tiers that are sound by themselves.

    Args:
        document: The raw file.
        tables: By name, in order.
    """
    if not tables:
        yield ("tiers",), "tiers: there is no tier in it; remove the table, or declare [tiers.NAME]"
        return
    *screening, last = tables
    for name in screening:
        yield from _check_screening(document, name, tables[name])
    if tables[last].promote is not None:
        message = f"tiers.{last}.promote: it is the last tier, which decides; there is none to go on to"
        yield ("tiers", last, "promote"), message
    if len(tables[last].seeds) > 1:
        message = f"tiers.{last}.seeds: the last tier draws its seeds by [decision]; give one, such as [0]"
        yield ("tiers", last, "seeds"), message
    if "seed" in document.get("decision", {}):
        yield ("decision", "seed"), "decision.seed: the seeds of a lab with tiers are those of [tiers]"
    for name, table in tables.items():
        yield from _check_overrides(name, table)
        if table.pool is not None:
            yield from _check_pool(document, name, table)
            yield from _check_cards(document, name, table)
        elif table.queue is not None:
            message = (
                f"tiers.{name}.queue: a queue belongs to a work pool, and this tier has none; give its pool"
            )
            yield ("tiers", name, "queue"), message


def _check_screening(document: Mapping[str, Any], name: str, table: TierTable) -> Iterator[tuple[Place, str]]:
    here: Place = ("tiers", name)
    if table.promote is None:
        message = f"tiers.{name}: the key 'promote' is missing, which says who goes on; one of {_RULES}"
        yield here, message
        return
    decides = isinstance(table.promote, Decided)
    if table.decision and not decides:
        message = f'tiers.{name}.decision: it has no effect without promote = "decision"'
        yield (*here, "decision"), message
    if decides and len(table.seeds) > 1:
        message = (
            f'tiers.{name}.seeds: promote = "decision" draws further seeds itself; give it one, such as [0]'
        )
        yield (*here, "seeds"), message
    if "holdout" in table.scorer:
        yield (*here, "scorer", "holdout"), f"tiers.{name}.scorer: only the last tier has a hold-out"
    if why := can_fire(table.promote, _total(document), _bounds(document, table), _goal(document, table)):
        yield (*here, "promote"), f"tiers.{name}.promote: nothing would ever go on: {why}"


def _check_overrides(name: str, table: TierTable) -> Iterator[tuple[Place, str]]:
    fixed = {"candidate": ("paths",), "decision": ("seed",)}
    for kind, keys in fixed.items():
        for key in keys:
            if key in getattr(table, kind):
                what = "an idea has the same paths at every tier" if key == "paths" else "give tiers' seeds"
                yield ("tiers", name, kind, key), f"tiers.{name}.{kind}.{key}: cannot be given here; {what}"
    if "metric" in table.scorer and "goal" not in table.scorer:
        message = f"tiers.{name}.scorer.metric: another metric needs its goal, beside it"
        yield ("tiers", name, "scorer", "metric"), message
    if table.timeout is not None and "timeout" in table.candidate:
        yield ("tiers", name, "timeout"), f"tiers.{name}.timeout: given twice; candidate.timeout is the same"


def _check_pool(document: Mapping[str, Any], name: str, table: TierTable) -> Iterator[tuple[Place, str]]:
    """What cannot be on another machine."""
    place: Place = ("tiers", name, "pool")
    scorer = {**document.get("scorer", {}), **table.scorer}
    if "remote" not in document.get("lab", {}):
        yield (
            place,
            f"tiers.{name}.pool: candidates and results travel through a git remote, which lab.remote names; "
            "it is missing",
        )
    elif "services" in document:
        yield place, f"tiers.{name}.pool: [services] run on this machine, where no worker reaches them"
    elif _prunes(document, table) and scorer.get("contract", "outputs") == "outputs":
        yield (
            place,
            f"tiers.{name}.pool: [pruning] reads a candidate's output while it runs, which it cannot on a "
            f"worker; set tiers.{name}.pruning = false, or leave the pool out",
        )


def _check_cards(document: Mapping[str, Any], name: str, table: TierTable) -> Iterator[tuple[Place, str]]:
    """More cards of a run than all workers of its pool have together."""
    asked = {**document.get("candidate", {}), **table.candidate}.get("gpus")
    pools = document.get("pools")
    pool = pools.get(table.pool) if isinstance(pools, Mapping) else None
    there = pool.get("gpus") if isinstance(pool, Mapping) else None
    if isinstance(asked, int) and isinstance(there, int) and asked > there:
        yield (
            ("tiers", name, "pool"),
            f"tiers.{name}: candidate.gpus: {asked} cards are wanted, and pools.{table.pool}.gpus is {there}",
        )


def _prunes(document: Mapping[str, Any], table: TierTable) -> bool:
    return table.pruning is not False and ("pruning" in document or table.pruning is not None)


def _total(document: Mapping[str, Any]) -> int | None:
    found = document.get("budget", {}).get("iterations")
    return found if isinstance(found, int) else None


def _goal(document: Mapping[str, Any], table: TierTable) -> Any:
    goal = table.scorer.get("goal", document.get("scorer", {}).get("goal"))
    return goal if goal in ("maximize", "minimize") else "maximize"


def _bounds(document: Mapping[str, Any], table: TierTable) -> tuple[float, float] | None:
    scorer = {**document.get("scorer", {}), **table.scorer}
    if scorer.get("contract") == "tests":
        return (0.0, 1.0) if scorer.get("metric") == "pass_rate" else (0.0, float("inf"))
    return (0.0, float("inf")) if str(scorer.get("metric")).startswith("usage.") else None
