"""What an epoch's commit holds, against what its record says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from lab_plugin.config import LAB_FILE
from lab_plugin.epoch import config_of, holdout_of, snapshot_of
from lab_plugin.errors import LabError
from lab_plugin.lab import Lab
from lab_plugin.ledger import LockRecord, Place, Problem, Proof
from lab_plugin.scorer import FILE_NAME, Lock, Terms


class _Fault(NamedTuple):
    what: str
    expected: str = ""
    found: str = ""


def epoch_problems(lab: Lab, proof: Proof) -> Iterator[Problem]:
    """Check every lock: `lab.lock`, `lab.toml` and the scorer's files in git against the record."""
    hashed: dict[str, str] = {}
    for place, record in proof.locks:
        for fault in _faults(lab, place, record, hashed):
            what = f"epoch {record.epoch}: {fault.what}"
            remedy = "Restore the objects from a clone that has them; else open a new epoch with `lab lock`."
            yield Problem(place.commit, what, remedy, place.record, None, fault.expected, fault.found)


def _faults(lab: Lab, place: Place, record: LockRecord, hashed: dict[str, str]) -> Iterator[_Fault]:
    try:
        lock = Lock.model_validate_json(lab.repository.read_file(record.tree, FILE_NAME))
    except (LabError, ValidationError) as error:
        yield _Fault(f"its {FILE_NAME} cannot be read: {str(error).splitlines()[0]}")
        return
    if (digest := lock.terms.digest()) != record.digest:
        yield _Fault(f"its {FILE_NAME} has another digest", record.digest, digest)
    for name in ("lab", "epoch", "reason", "digest", "commit", "value"):
        expected, found = getattr(record, name), getattr(lock, name)
        if expected != found:
            yield _Fault(f"its {FILE_NAME} has another {name}", repr(expected), repr(found))
    yield from _rule_faults(lab, record, lock.terms)
    try:
        yield from _file_faults(lab, snapshot_of(lab, record), lock.terms.files, hashed)
        if holdout := holdout_of(lab, record):
            yield from _file_faults(lab, holdout, {**lock.terms.files, **lock.terms.holdout}, hashed)
        elif lock.terms.holdout:
            yield _Fault("its hold-out is missing")
    except LabError as error:
        yield _Fault(f"its scorer cannot be read: {error.message}")


def _rule_faults(lab: Lab, record: LockRecord, terms: Terms) -> Iterator[_Fault]:
    scorer = terms.rules.get("scorer", {})
    locked = (scorer.get("metric"), scorer.get("goal")) if isinstance(scorer, dict) else None
    if locked != (record.metric, record.goal):
        yield _Fault("its metric and goal are not those that were locked", repr(locked), record.metric)
    yield from _tier_faults(record, terms)
    try:
        rules = config_of(lab, record).scoring_rules()
    except (LabError, ValueError) as error:
        yield _Fault(f"its {LAB_FILE} cannot be read by this version: {str(error).splitlines()[0]}")
        return
    # A later version may know rules that were not there yet; each that was locked must be in the file.
    for name, expected, found in _unequal(terms.rules, rules):
        yield _Fault(f"its {LAB_FILE} has another {name}", repr(expected), repr(found))


def _tier_faults(record: LockRecord, terms: Terms) -> Iterator[_Fault]:
    """The record has a score of every tier that was locked, and of no other."""
    rules = terms.rules.get("tiers", {})
    order = rules.get("order", []) if isinstance(rules, dict) else []
    expected, found = (set(order[:-1]), order[-1]) if order else (set(), record.tier)
    if (set(record.tiers), record.tier) != (expected, found):
        told = f"{', '.join(sorted(record.tiers)) or 'none'}; {record.tier} decides"
        yield _Fault("its tiers are not those that were locked", ", ".join(order) or "one", told)
        return
    for name, score in record.tiers.items():
        own = rules[name]
        metric, single = own["scorer"]["metric"], len(own["seeds"]) == 1
        if metric not in score.metrics or (single and score.metrics[metric] != score.value):
            what = f"the value at the tier {name} is not its metric {metric}"
            yield _Fault(what, repr(score.metrics.get(metric)), repr(score.value))
        if bool(score.noise) != (own["promote"].get("rule") == "Decided"):
            yield _Fault(f"the tier {name} has a noise where its rule needs none, or none where it does")


def _unequal(
    locked: Mapping[str, Any], found: Mapping[str, Any], above: str = ""
) -> Iterator[tuple[Any, ...]]:
    for name, expected in locked.items():
        value = found.get(name)
        if isinstance(expected, Mapping) and isinstance(value, Mapping):
            yield from _unequal(expected, value, f"{above}{name}.")
        elif expected != value:
            yield f"{above}{name}", expected, value


def _file_faults(lab: Lab, tree: str, files: Mapping[str, str], hashed: dict[str, str]) -> Iterator[_Fault]:
    entries = lab.repository.entries(tree)
    for path in sorted(files.keys() | entries.keys()):
        entry, expected = entries.get(path), files.get(path, "")
        found = ""
        if entry is not None:
            if entry.oid not in hashed:
                hashed[entry.oid] = hashlib.sha256(lab.repository.read_blob(entry.oid)).hexdigest()
            found = f"{entry.mode:o}:{hashed[entry.oid]}"
        if found != expected:
            yield _Fault(f"its scorer file {path} is not what was locked", expected or "no file", found)
