"""`lab attest`, and `lab verify` of what it wrote."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab_plugin.cli._options import JsonOption, LabOption, opened, print_json, print_untrusted
from lab_plugin.errors import ConfigError, LabError
from lab_plugin.whole_file import write_whole

if TYPE_CHECKING:
    from lab_plugin.attestation import Attestation, AttestationCheck
    from lab_plugin.lab import Lab

_MOST = 200


def attest(
    idea: Annotated[
        str, typer.Argument(metavar="[IDEA]", help="A kept idea: its number, branch or commit; or 'best'.")
    ] = "best",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to; else to the terminal.")
    ] = None,
    lab: LabOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a statement of what a kept idea scored, which `lab verify FILE` checks; signed if git signs."""
    from lab_plugin.attestation import attest as make

    with opened(lab, reads=True) as this:
        data, signed = make(this, idea)
    if output is None:
        sys.stdout.write(data.decode("ascii"))
        return
    _write(output, data)
    digest = hashlib.sha256(data).hexdigest()
    if as_json:
        print_json({"file": str(output), "sha256": digest, "signed": signed})
    else:
        how = "signed" if signed else "not signed: git is not configured to sign (commit.gpgSign)"
        print(f"{output}: {how}; sha256 {digest}")


def verify_file(file: Path, path: Path | None, as_json: bool) -> bool:
    """Check an attestation and print what came of it.

    Args:
        file: The attestation.
        path: The lab whose ledger it is compared with; None for the nearest upwards, if there is any.
        as_json: Print JSON.

    Returns:
        Whether it is proved.
    """
    from lab_plugin.attestation import check_attestation, read_attestation

    attestation = read_attestation(file)
    with _perhaps(path) as this:
        checked = check_attestation(attestation, this)
    if as_json:
        print_json(_file_document(attestation, checked))
        return checked.ok
    predicate = attestation.statement.predicate
    score = predicate.score
    for mismatch in checked.mismatches[:_MOST]:
        print_untrusted(f"FAIL  {mismatch}\n      remedy: {mismatch.remedy}\n")
    if len(checked.mismatches) > _MOST:
        print(f"FAIL  and {len(checked.mismatches) - _MOST} more; --json has them all")
    if checked.signature is not None and checked.signature.status == "unchecked":
        print_untrusted(f"note  its signature cannot be checked here: {checked.signature.why}\n")
    if checked.ok:
        by = {"repository": "the ledger of this repository", "signature": _signer_of(checked)}
        print_untrusted(f"ok    {file}: proved by {' and '.join(by[kind] for kind in checked.proved_by)}\n")
    elif not checked.mismatches:
        print(f"FAIL  {file} has the right form, and nothing here proves it")
        print("      remedy: run it in a clone of the repository, or get a signed one and its signer's key")
    commit = attestation.statement.predicate.ledger.commit
    told = f"lab {predicate.lab.name}, idea {predicate.idea.number}: {score.metric} {score.value!r}"
    print_untrusted(f"      {told}, epoch {predicate.epoch.number}, ledger commit {commit[:12]}\n")
    for part in predicate.tiers:
        print_untrusted(
            f"      at the tier {part.tier}: {part.metric} {part.value!r}, record {part.record}\n"
        )
    return checked.ok


def _file_document(attestation: Attestation, checked: AttestationCheck) -> dict[str, Any]:
    predicate = attestation.statement.predicate
    return {
        "ok": checked.ok,
        "proved_by": list(checked.proved_by),
        "signature": checked.signature and vars(checked.signature),
        "mismatches": [vars(mismatch) for mismatch in checked.mismatches],
        "lab": predicate.lab.name,
        "idea": predicate.idea.number,
        "value": predicate.score.value,
        "tiers": {part.tier: part.value for part in predicate.tiers},
    }


def _signer_of(checked: AttestationCheck) -> str:
    return f"the signature of {checked.signature.signer}" if checked.signature else ""


@contextmanager
def _perhaps(path: Path | None) -> Iterator[Lab | None]:
    """The lab at a path; without one the nearest upwards, and None where there is none."""
    from lab_plugin.config import find

    if path is None:
        try:
            find(Path.cwd())
        except ConfigError:
            yield None
            return
    with opened(path) as lab:
        yield lab


def _write(target: Path, data: bytes) -> None:
    try:
        write_whole(target, data, 0o644)
    except OSError as error:
        raise LabError(f"{target} cannot be written: {error.strerror}.", "Name another --output.") from error
