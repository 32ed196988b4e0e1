"""The whole `lab.toml` as it is at one tier."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from lab_plugin.config._check_contract import foreign_keys
from lab_plugin.config._pruning import own_pruning
from lab_plugin.toml import Place, Positions

OVERRIDES = ("candidate", "sandbox", "scorer", "decision")
"""Tables whose keys a tier may give anew."""


def merged(document: Mapping[str, object], tier: Mapping[str, Any], *, last: bool) -> dict[str, Any]:
    """The whole `lab.toml` as one tier has it.

    Args:
        document: The raw file without its tiers.
        tier: Its raw table.
        last: Whether it is the last.
    """
    whole: dict[str, Any] = copy.deepcopy(dict(document))
    _leave_out_foreign(whole, tier)
    for table in OVERRIDES:
        own = tier.get(table)
        base = whole.get(table, {})
        if isinstance(own, dict) and isinstance(base, dict):
            whole[table] = {**base, **own}
    _merge_pruning(whole, tier)
    candidate, scorer = whole.get("candidate"), whole.get("scorer")
    if "timeout" in tier and isinstance(candidate, dict):
        candidate["timeout"] = tier["timeout"]
    if not last and isinstance(scorer, dict):
        # The hold-out is for what is about to be kept.
        scorer.pop("holdout", None)
    decision = whole.setdefault("decision", {})
    if isinstance(decision, dict) and (seed := first_seed(tier.get("seeds"))) is not None:
        decision["seed"] = seed
    return whole


def _merge_pruning(whole: dict[str, Any], tier: Mapping[str, Any]) -> None:
    """Give a tier its own `[pruning]`, which alone of all tables may be left out."""
    own = tier.get("pruning")
    contract = _table(tier, "scorer").get("contract", "outputs")
    if own is False or (own is None and contract != "outputs"):
        # Another contract takes the candidate's stdout: the lab's rule is for the other tiers.
        whole.pop("pruning", None)
    elif isinstance(own, dict) and isinstance(base := whole.get("pruning", {}), dict):
        whole["pruning"] = own_pruning(base, own)


def _leave_out_foreign(whole: dict[str, Any], tier: Mapping[str, Any]) -> None:
    """Take out what makes no sense at a tier with another contract, or in another kind of sandbox."""
    own = {(table, key) for table in OVERRIDES for key in _table(tier, table)}
    base, scorer = _table(whole, "scorer"), _table(tier, "scorer")
    contract = scorer.get("contract", base.get("contract", "outputs"))
    for table, key in foreign_keys(contract if isinstance(contract, str) else "", own):
        _table(whole, table).pop(key, None)
    sandbox, kinds = _table(tier, "sandbox"), [_table(each, "sandbox").get("kind") for each in (whole, tier)]
    if "kind" in sandbox and (kinds[0] == "docker") != (kinds[1] == "docker"):
        # An image, and a path inside of one, mean nothing to the other kinds, and theirs nothing to it.
        for key in ("image", "dockerfile", "python"):
            _table(whole, "sandbox").pop(key, None)
    for key, other in (("image", "dockerfile"), ("dockerfile", "image")):
        if key in sandbox:
            _table(whole, "sandbox").pop(other, None)


def _table(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def first_seed(seeds: object) -> int | None:
    """The first of a tier's seeds as written; None where they are none."""
    if isinstance(seeds, list):
        return seeds[0] if seeds and isinstance(seeds[0], int) else None
    return 0 if isinstance(seeds, int) else None


def place_in(positions: Positions, name: str, place: Place) -> Place:
    """Where a key of a tier stands: in its own tables, or else where all tiers have it from."""
    own: Place = ("tiers", name, *place)
    if place == ("candidate", "timeout") and ("tiers", name, "timeout") in positions.lines:
        return ("tiers", name, "timeout")
    if place == ("decision", "seed"):
        return ("tiers", name, "seeds")
    if own in positions.lines or own[:4] in positions.lines:
        return own
    # A key that nobody gives is missed by the tier that needs it.
    table: Place = ("tiers", name, *place[:1])
    return table if place not in positions.lines and table in positions.lines else place
