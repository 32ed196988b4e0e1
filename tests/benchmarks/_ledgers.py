"""Long ledgers, made in seconds: every object computed here and handed to git as one pack."""

from __future__ import annotations

import hashlib
import json
import struct
import subprocess
import zlib
from pathlib import Path

from lab_plugin.idea import Idea, PlannedPoint
from lab_plugin.ledger import CampaignRecord, Ledger, LockRecord, VerdictRecord
from lab_plugin.ledger._codec import time_of, to_message
from lab_plugin.repository import EMPTY_TREE, IDENTITY, RefChange, Repository

AT = "2026-01-31T04:05:06Z"
_TYPES = {"commit": 1, "tree": 2, "blob": 3}
_METRICS = ("accuracy", "f1", "loss", "usage.cpu_seconds", "usage.peak_bytes", "usage.wall_seconds")


class Pack:
    """Objects to be."""

    def __init__(self) -> None:
        self._bodies: dict[str, bytes] = {}

    def add(self, kind: str, data: bytes) -> str:
        """Take an object; returns its id."""
        oid = hashlib.sha1(b"%s %d\0" % (kind.encode(), len(data)) + data, usedforsecurity=False).hexdigest()
        size = len(data)
        first, rest = (_TYPES[kind] << 4) | (size & 15), size >> 4
        head = bytearray()
        while rest:
            head.append(first | 128)
            first, rest = rest & 127, rest >> 7
        head.append(first)
        self._bodies[oid] = bytes(head) + zlib.compress(data, 1)
        return oid

    def commit(self, tree: str, parents: list[str], message: str) -> str:
        """Take a commit by the lab."""
        when = time_of(AT)
        assert when is not None
        stamp = f"{IDENTITY} {int(when.timestamp())} +0000"
        lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents)]
        text = "\n".join((*lines, f"author {stamp}", f"committer {stamp}", "", message))
        return self.add("commit", text.encode())

    def store(self, folder: Path, *, loose: bool) -> None:
        """Hand all objects to git, as one pack or each in a file of its own."""
        body = struct.pack(">4sII", b"PACK", 2, len(self._bodies)) + b"".join(self._bodies.values())
        body += hashlib.sha1(body, usedforsecurity=False).digest()
        how = ["unpack-objects", "-q"] if loose else ["index-pack", "--stdin"]
        subprocess.run(["git", *how], cwd=folder, input=body, check=True, stdout=subprocess.DEVNULL)


def long_ledger(folder: Path, records: int, *, lab: str = "x", loose: bool = False) -> Ledger:
    """A repository with a ledger that one campaign would have written; every fortieth idea is kept.

    Args:
        folder: Where; made.
        records: How many the ledger has in all.
        lab: The lab's name.
        loose: Objects as a campaign leaves them, instead of packed.
    """
    folder.mkdir()
    (folder / "train.py").write_text("print(1)\n")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "Start"]):
        identity = ["-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "commit.gpgSign=false"]
        subprocess.run(["git", *identity, *command], cwd=folder, check=True)
    repository = Repository.open(folder)
    base = repository.head()
    tree = repository.tree_of(base)
    ledger = Ledger(repository, lab)
    lock = LockRecord(
        at=AT, lab=lab, epoch=1, reason="first lock", digest="d" * 64, metric="accuracy", goal="maximize",
        commit=base, tree=tree, value=0.0, metrics={"accuracy": 0.0},
    )  # fmt: skip
    ledger.append(lock, candidate=base, tree=tree)
    opened = CampaignRecord(at=AT, campaign=1, event="opened", strategy="tpe", budget={"iterations": 1e6})
    head = ledger.append(opened, candidate=None).commit
    pack, branches, best, value = Pack(), {}, base, 0.0
    for number in range(1, records - 1):
        record = _verdict(pack, lab, number, best, value).model_copy(update={"sequence": number + 2})
        head = pack.commit(EMPTY_TREE, [head, record.commit], to_message(record))
        branches[record.branch] = record.commit
        if record.verdict == "kept" and record.value is not None:
            best, value = record.commit, record.value
    pack.store(folder, loose=loose)
    changes = [RefChange(ledger.ref, head), RefChange(f"refs/heads/lab/{lab}/best", best)]
    changes += [RefChange(f"refs/heads/{name}", commit) for name, commit in branches.items()]
    repository.update_refs(changes)
    if not loose:
        subprocess.run(["git", "pack-refs", "--all"], cwd=folder, check=True)
    return ledger


def _verdict(pack: Pack, lab: str, number: int, best: str, champion: float) -> VerdictRecord:
    params = {"hidden": number, "lr": number / 7, "solver": "adam"}
    blob = pack.add("blob", json.dumps(params).encode())
    tree = pack.add("tree", b"100644 params.json\0" + bytes.fromhex(blob))
    idea = Idea(
        number=number, slug=f"try-{number}", title=f"Try {number}", hypothesis="A wider layer sees more.",
        strategy="tpe", campaign=1, epoch=1, parent=best, points=(PlannedPoint(tree=tree, params=params),),
    )  # fmt: skip
    kept = number % 40 == 0
    value = champion + (0.001 if kept else -0.001)
    return VerdictRecord(
        at=AT, number=number, slug=idea.slug, branch=f"lab/{lab}/ideas/{idea.name}", campaign=1, epoch=1,
        strategy="tpe", title=idea.title, hypothesis=idea.hypothesis,
        commit=pack.commit(tree, [best], idea.message(lab)), tree=tree, parents=(best,),
        verdict="kept" if kept else "reverted", reason=f"{value:.6g} against the champion's {champion:.6g}",
        value=value, metrics={name: value if name == "accuracy" else number / 3 for name in _METRICS},
        champion_value=champion, difference=value - champion, params=params, digest="d" * 64,
        sandbox="bubblewrap", guarantees=("no_network", "own_user", "read_only_root", "verified_end"),
        seconds=1.25, orchestration_seconds=0.0625, campaign_seconds=float(number),
        flow_run="0f8fad5b-d9cb-469f-a165-70867728950e",
    )  # fmt: skip
