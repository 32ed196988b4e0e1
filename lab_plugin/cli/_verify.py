"""`lab verify`: what a score rests on, proved from git."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab_plugin.cli._attest import verify_file
from lab_plugin.cli._export import ARCHIVES, verify_archive_file
from lab_plugin.cli._options import (
    JsonOption,
    LabOption,
    awaited,
    number,
    opened,
    print_json,
    print_untrusted,
)
from lab_plugin.errors import LabError

if TYPE_CHECKING:
    from lab_plugin.lab import Lab
    from lab_plugin.ledger import Problem, SignatureProof, VerdictRecord
    from lab_plugin.verification import LabProof, Rerun

_MOST = 200
_FILE = re.compile(r"[./]")


def verify(
    what: Annotated[
        str,
        typer.Argument(metavar="[IDEA|FILE]", help="One idea, or a file of `lab attest` or `lab export`."),
    ] = "",
    rerun: Annotated[
        bool, typer.Option("--rerun", help="Score the idea again, with its epoch's scorer.")
    ] = False,
    lab: LabOption = None,
    as_json: JsonOption = False,
) -> None:
    """Prove the whole ledger from git; with IDEA what it says; with FILE an attestation or an archive."""
    if rerun and not what:
        raise LabError("--rerun scores one idea again, and none is named.", "Run `lab verify best --rerun`.")
    if what.lower().endswith(ARCHIVES):
        if rerun:
            raise LabError(f"{what} is a file; --rerun takes an idea.", "Run it in a repository of the lab.")
        ok = verify_archive_file(Path(what), as_json)
    elif what.endswith(".json") or (_FILE.search(what) and os.path.lexists(what)):
        if rerun:
            raise LabError(f"{what} is a file; --rerun takes an idea.", "Name the idea that it attests.")
        ok = verify_file(Path(what), lab, as_json)
    else:
        ok = _verify_ledger(what, rerun, lab, as_json)
    if not ok:
        raise typer.Exit(1)


def _verify_ledger(idea: str, rerun: bool, path: Path | None, as_json: bool) -> bool:
    from lab_plugin.lookup import find_idea
    from lab_plugin.verification import prove_lab, verify_idea

    with opened(path) as this:
        proof = prove_lab(this)
        # The champion may be the baseline, of which there is no idea; it can be scored again all the same.
        record = find_idea(this, idea) if idea and not (rerun and idea == "best") else None
        again = awaited(verify_idea(this, idea)) if rerun else None
    ok = not proof.problems and (again is None or again.ok)
    if as_json:
        print_json(_document(proof, record, again, ok))
        return ok
    _print_problems(proof.problems)
    if not proof.problems:
        print(f"ok    the ledger: {proof.ledger.records} records; every link, record and branch agrees")
    _print_signatures(proof.ledger.signatures)
    if record is not None:
        _print_idea(this, proof, record)
    if again is not None:
        word = {"equal": "ok    ", "measured": "ok    ", "environment": "UNLIKE"}.get(again.outcome, "FAIL  ")
        name = f"idea {again.number}" if again.number else "the baseline"
        text = again.explanation.replace("\n", "\n      ")
        print_untrusted(f"{word}{name}: {text}\n")
    return ok


def _document(proof: LabProof, record: VerdictRecord | None, again: Rerun | None, ok: bool) -> dict[str, Any]:
    signatures = proof.ledger.signatures
    document: dict[str, Any] = {
        "ok": ok,
        "records": proof.ledger.records,
        "problems": [vars(problem) for problem in proof.problems],
        "rerun": None,
        "signatures": {
            "signed": signatures.signed,
            "good": dict(signatures.good),
            "unchecked": signatures.unchecked,
            "why": signatures.why,
        },
    }
    if record is not None:
        place = proof.ledger.ideas.get(record.number)
        document["idea"] = {
            "number": record.number,
            "record": place.record if place else None,
            "ledger_commit": place.commit if place else None,
            "verdict": record.verdict,
            "value": record.value,
            "tier": record.tier,
            "tiers": dict(record.tiers),
            "commit": record.commit,
            "tree": record.tree,
            "epoch": record.epoch,
            "digest": record.digest,
            "problems": [vars(problem) for problem in proof.of(record.number)],
        }
    if again is not None:
        sealed = again.holdout and vars(again.holdout)
        tiers = [{**vars(tier), "ok": tier.ok} for tier in again.tiers]
        document["rerun"] = {**vars(again), "holdout": sealed, "tiers": tiers, "ok": again.ok}
    return document


def _print_problems(problems: tuple[Problem, ...]) -> None:
    for problem in problems[:_MOST]:
        print_untrusted(f"FAIL  {problem}\n")
        print_untrusted(f"      remedy: {problem.remedy}\n")
    if len(problems) > _MOST:
        print(f"FAIL  and {len(problems) - _MOST} more; --json has them all")


def _print_signatures(proof: SignatureProof) -> None:
    if not proof.signed:
        if proof.wanted:
            print("note  no record is signed, though your git signs commits")
        return
    who = ", ".join(f"{count} by {signer}" for signer, count in proof.good.items())
    if who:
        print_untrusted(f"ok    signatures: {who}\n")
    if proof.unchecked:
        print_untrusted(f"note  {proof.unchecked} signatures cannot be checked here: {proof.why}\n")


def _print_idea(lab: Lab, proof: LabProof, record: VerdictRecord) -> None:
    place = proof.ledger.ideas.get(record.number)
    word = "FAIL" if proof.of(record.number) else "ok  "
    where = f"record {place.record} (ledger commit {place.commit[:12]})" if place else "no readable record"
    print(f"{word}  idea {record.number}: {record.verdict}, {number(record.value)}; {where}")
    for name, value in record.tiers.items():
        print(f"      at the tier {name}: {number(value)}")
    print(f"      candidate {record.commit}, tree {record.tree}")
    print(f"      epoch {record.epoch}, digest {record.digest}")
    print(f"      its score was not made again: `lab verify {record.number} --rerun` does that")
