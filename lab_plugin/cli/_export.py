"""`lab export`, and `lab verify` of an archive."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lab_plugin.cli._options import JsonOption, LabOption, opened, print_json, print_untrusted
from lab_plugin.errors import ExportError

if TYPE_CHECKING:
    from lab_plugin.exporting import ArchiveProof

Form = Literal["tsv", "csv", "json", "archive"]
ARCHIVES = (".tar.gz", ".tgz")
_SUFFIXES: dict[str, Form] = {
    ".tsv": "tsv",
    ".csv": "csv",
    ".json": "json",
    **dict.fromkeys(ARCHIVES, "archive"),
}
_MOST = 200


def export(
    file: Annotated[
        Path,
        typer.Argument(help="results.tsv, results.csv, results.json or lab.tar.gz; - for the terminal."),
    ],
    form: Annotated[
        Form | None, typer.Option("--format", help="Where the file's name does not tell.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    lab: LabOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the results as a file, or the whole lab as an archive that `lab verify` proves anywhere."""
    import tempfile

    from lab_plugin.exporting import put_in_place, render, write_archive

    wanted = form or _form_of(file)
    with opened(lab, reads=True) as this:
        if str(file) == "-":
            if wanted == "archive":
                raise ExportError("An archive is no text.", "Name a file for it.")
            sys.stdout.write(render(this, wanted).decode())
            return
        with tempfile.TemporaryFile(prefix="lab-export-") as stream:
            manifest = write_archive(this, stream) if wanted == "archive" else None
            if wanted != "archive":
                stream.write(render(this, wanted))
            stream.seek(0)
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            put_in_place(file, stream, replace=force)
    if as_json:
        print_json(
            {"file": str(file), "format": wanted, "sha256": digest, "ledger": manifest and manifest.ledger}
        )
        return
    print(f"{file}: sha256 {digest}")
    if manifest is not None:
        print(f"{manifest.records} records up to {manifest.at}; ledger commit {manifest.ledger}")
        print(f"It holds the scorer. Whoever has it runs `lab verify {file}`.")


def verify_archive_file(file: Path, as_json: bool) -> bool:
    """Prove an archive and print what came of it.

    Returns:
        Whether it is proved.
    """
    from lab_plugin.exporting import verify_archive

    proof = verify_archive(file)
    if as_json:
        print_json(_document(proof))
        return proof.ok
    found = proof.ledger.problems if proof.ledger else ()
    for text in (*proof.problems, *map(str, found))[:_MOST]:
        print_untrusted(f"FAIL  {text}\n")
    if len(proof.problems) + len(found) > _MOST:
        print(f"FAIL  and {len(proof.problems) + len(found) - _MOST} more; --json has them all")
    for note in proof.notes:
        print_untrusted(f"note  {note}\n")
    if proof.ok and proof.ledger is not None:
        records = proof.ledger.ledger.records
        print_untrusted(f"ok    {file}: {records} records; every link, record, branch and file agrees\n")
        print(f"      lab {proof.manifest.lab}, ledger commit {proof.manifest.ledger}, {proof.manifest.at}")
        signers = ", ".join(
            f"{count} by {name}" for name, count in proof.ledger.ledger.signatures.good.items()
        )
        told = f"signatures: {signers}" if signers else "no signature was checked: compare the ledger commit"
        print_untrusted(f"      {told}\n")
    return proof.ok


def _document(proof: ArchiveProof) -> dict[str, Any]:
    found = proof.ledger
    return {
        "ok": proof.ok,
        "lab": proof.manifest.lab,
        "records": proof.manifest.records,
        "ledger": proof.manifest.ledger,
        "problems": [*proof.problems, *(str(problem) for problem in (found.problems if found else ()))],
        "notes": list(proof.notes),
        "signatures": dict(found.ledger.signatures.good) if found else {},
    }


def _form_of(file: Path) -> Form:
    name = file.name.lower()
    form = next((form for suffix, form in _SUFFIXES.items() if name.endswith(suffix)), None)
    if form is None:
        raise ExportError(
            f"The name {file} does not tell the format.", "Give --format tsv, csv, json or archive."
        )
    return form
