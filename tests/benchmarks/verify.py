"""`lab verify` of a long ledger, against git reading the same commits, and checking the same repository."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

from lab_plugin.ledger import Ledger
from lab_plugin.repository import Repository
from tests.benchmarks._ledgers import long_ledger
from tests.benchmarks._report import figure

RECORDS = 10_000


def main() -> None:
    for how, loose in (("packed", False), ("loose", True)):
        with tempfile.TemporaryDirectory(prefix="lab-bench-") as temporary:
            folder = Path(temporary) / "repo"
            ids = _ids(long_ledger(folder, RECORDS, loose=loose), folder)
            read = min(_read(folder, ids) for _ in range(3))
            checked = min(_check(folder) for _ in range(3))
            proved = min(_prove(folder) for _ in range(3))
        baseline = ("git cat-file --batch", read)
        figure(f"git fsck of the same, {how} objects", checked, "s")
        figure(f"proof of {RECORDS} records, {how} objects", proved, "s", against=baseline, target="3")


def _ids(ledger: Ledger, folder: Path) -> bytes:
    """The ledger's commits and their candidates."""
    command = ["git", "rev-list", "--first-parent", "--parents", ledger.ref]
    lines = subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout.split(b"\n")
    return b"\n".join(oid for line in lines for oid in line.split()[::2]) + b"\n"


def _read(folder: Path, ids: bytes) -> float:
    began = time.perf_counter()
    command = ["git", "cat-file", "--batch"]
    subprocess.run(command, cwd=folder, input=ids, capture_output=True, check=True)
    return time.perf_counter() - began


def _check(folder: Path) -> float:
    """Of every object, where the proof looks at commits only."""
    began = time.perf_counter()
    subprocess.run(["git", "fsck", "--full"], cwd=folder, capture_output=True, check=True)
    return time.perf_counter() - began


def _prove(folder: Path) -> float:
    repository = Repository.open(folder)
    ledger = Ledger(repository, "x")
    began = time.perf_counter()
    proof = ledger.prove()
    seconds = time.perf_counter() - began
    repository.close()
    assert proof.records == RECORDS and proof.problems == (), proof.problems[:3]
    return seconds
