"""The lock: what was agreed to be the scorer, as `lab.lock` and as one digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from lab_plugin.errors import LockError

FILE_NAME = "lab.lock"
VERSION = 3
"""Of `lab.lock`: 2 locks the environment's content, 1 locked names and versions; 3 tells of the noise."""


class Terms(BaseModel):
    """All that makes a score comparable with another; equal terms, equal digest.

    Attributes:
        files: Scorer file (relative POSIX path) -> `<mode>:<sha256>`.
        data: Public data file -> `<mode>:<sha256>`.
        holdout: File of the hold-out -> `<mode>:<sha256>`.
        holdout_data: File of the hold-out's own data -> `<mode>:<sha256>`.
        rules: Commands, metric, goal, limits and decision, as `Config.scoring_rules` gives them.
        environment: Interpreter, installed distributions, and the content of both; or the image's digest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: dict[str, str]
    data: dict[str, str]
    rules: dict[str, Any]
    environment: dict[str, Any]
    holdout: dict[str, str] = Field(default_factory=dict)
    holdout_data: dict[str, str] = Field(default_factory=dict)

    def digest(self) -> str:
        """sha256 over the canonical JSON of the terms, in hex."""
        # Left out where there is no hold-out, so that it changes no digest of a lab without one.
        sealed = {name for name in ("holdout", "holdout_data") if not getattr(self, name)}
        terms = self.model_dump(exclude=sealed)
        text = json.dumps(terms, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode("ascii")).hexdigest()


class Lock(BaseModel):
    """What `lab.lock` holds.

    Attributes:
        version: Of the file's form.
        lab: The lab's name.
        epoch: 1 or more; scores of different epochs are never compared.
        reason: Why the epoch was opened.
        digest: Of the terms.
        commit: The commit scored when the epoch opened.
        value: Its metric.
        terms: What the digest was taken over.
        noise: Metric -> its noise over seeds, as it was measured.
        detectable: Smallest improvement that an idea is found with in 9 of 10 cases; None when none is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    lab: str
    epoch: int
    reason: str
    digest: str
    commit: str
    value: FiniteFloat
    terms: Terms
    noise: dict[str, dict[str, Any]] = Field(default_factory=dict)
    detectable: FiniteFloat | None = None

    def to_bytes(self) -> bytes:
        """The file's bytes: JSON that diffs well."""
        return (json.dumps(self.model_dump(), indent=2, sort_keys=True) + "\n").encode()


def read_lock(path: Path) -> Lock:
    """Read `lab.lock`.

    Raises:
        LockError: It is missing, of another version, or was edited (its digest is not that of its terms).
    """
    remedy = "Run `lab lock --reason '...'` to lock the scorer again."
    try:
        data = path.read_bytes()
        _require_version(data, path)
        lock = Lock.model_validate_json(data)
    except FileNotFoundError:
        raise LockError(f"The lab is not locked: {path} is missing.", "Run `lab lock`.") from None
    except (OSError, ValidationError, ValueError, RecursionError) as error:
        raise LockError(f"{path} cannot be read: {str(error).splitlines()[0]}.", remedy) from error
    if lock.terms.digest() != lock.digest:
        raise LockError(f"{path} was edited by hand: its digest is not that of its content.", remedy)
    return lock


def differences(locked: Terms, found: Terms) -> tuple[str, ...]:
    """What changed since the lock, one readable line each; empty when the digests are equal."""
    lines = [
        *_compare("scorer file", locked.files, found.files),
        *_compare("data file", locked.data, found.data),
        *_compare("hold-out file", locked.holdout, found.holdout),
        *_compare("hold-out data file", locked.holdout_data, found.holdout_data),
        *_compare("tier", _whole(locked, found), _whole(found, locked)),
        *_compare("rule", _rules(locked, found), _rules(found, locked), show=True),
        *_compare("environment", _flat(locked.environment), _flat(found.environment), show=True),
    ]
    return tuple(lines)


def require_equal(locked: Terms, found: Terms, details: tuple[str, ...] = ()) -> None:
    """Stop when what is found is not what was locked.

    Args:
        locked: By the lock.
        found: Now.
        details: Further lines, shown behind the differences.

    Raises:
        LockError: With a line for each difference.
    """
    if lines := differences(locked, found):
        shown = "\n".join(f"  {line}" for line in lines[:20])
        more = f"\n  and {len(lines) - 20} more" if len(lines) > 20 else ""
        further = "".join(f"\n  {line}" for line in details)
        raise LockError(
            f"The scorer is not what was locked:\n{shown}{more}{further}",
            "Undo the change, or open a new epoch with `lab lock --reason '...'`.",
        )


def _require_version(data: bytes, path: Path) -> None:
    """See that a lock is of this program's version, before anything else of it is looked at."""
    content = json.loads(data)
    version = content.get("version") if isinstance(content, dict) else None
    if version != VERSION:
        raise LockError(
            f"{path} is of version {version} of the lock; this program works with version {VERSION}.",
            "Run `lab lock --reason '...'` to lock the scorer again, or use the version of prefect-lab that "
            "made the lock.",
        )


def _tiers(terms: Terms) -> Mapping[str, Any]:
    found = terms.rules.get("tiers")
    return found if isinstance(found, Mapping) else {}


def _whole(terms: Terms, other: Terms) -> dict[str, str]:
    """The tiers before the last that only one side has: all of their rules are told as one."""
    return {name: "" for name in _tiers(terms) if name != "order" and name not in _tiers(other)}


def _rules(terms: Terms, other: Terms) -> dict[str, str]:
    """The rules by name, without those of a tier that the other side lacks."""
    rules = dict(terms.rules)
    if tiers := _tiers(terms):
        gone = _whole(terms, other)
        rules["tiers"] = {name: rule for name, rule in tiers.items() if name not in gone}
    return _flat(rules)


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, item in value.items():
        name = f"{prefix}{key}"
        if isinstance(item, Mapping):
            flat.update(_flat(item, f"{name}."))
        else:
            flat[name] = json.dumps(item)
    return flat


def _compare(what: str, old: Mapping[str, str], new: Mapping[str, str], show: bool = False) -> list[str]:
    lines = []
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        word = "added" if before is None else "removed" if after is None else "changed"
        # Two digests say no more than that they differ.
        told = show and not name.startswith("content.")
        detail = f": {before or 'nothing'} -> {after or 'nothing'}" if told else ""
        lines.append(f"{what} {word}: {name}{detail}")
    return lines
