"""Writing an archive: the ledger with all that it reaches, and the results that follow from it."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from lab_plugin import __version__
from lab_plugin.config import LAB_FILE, LOCK_FILE
from lab_plugin.errors import ExportError
from lab_plugin.exporting._documents import render, render_records
from lab_plugin.exporting._locked import lab_as_locked, newest_lock
from lab_plugin.exporting._manifest import BUNDLE, MANIFEST, PARTS, Manifest, Part
from lab_plugin.exporting._tar import Writer
from lab_plugin.lab import Lab

_TRIES = 20


def write_archive(lab: Lab, target: BinaryIO) -> Manifest:
    """Write an archive of a lab, as its ledger has it at one moment; a campaign may run meanwhile.

    It holds the scorer, and the hold-out where there is one: it is for people who may see them.

    Raises:
        LockError: The lab is not locked.
        ExportError: It is too large, or the ledger never stood still.
        RepositoryError: git refuses, or this is a shallow clone.
    """
    locked = lab_as_locked(lab.repository, lab.name, lab.home)
    documents, refs = _at_one_moment(locked)
    with tempfile.TemporaryFile(prefix="lab-export-") as bundle:
        lab.repository.write_bundle(refs, bundle)
        files = {name: _part(data) for name, data in documents.items()}
        files[BUNDLE] = _measured(bundle)
        entries = [line for line in documents["records.jsonl"].splitlines() if line]
        manifest = Manifest(
            version=__version__,
            lab=lab.name,
            at=locked.ledger.records()[len(entries) - 1].record.at,
            records=len(entries),
            ledger=refs[lab.ledger.ref],
            refs=refs,
            files={name: files[name] for name in PARTS},
        )
        writer = Writer(target)
        data = manifest.to_bytes()
        writer.add(MANIFEST, data, len(data))
        for name in PARTS:
            if name == BUNDLE:
                bundle.seek(0)
                writer.add(name, bundle, files[name].size)
            else:
                writer.add(name, documents[name], len(documents[name]))
        writer.close()
    return manifest


def documents_of(locked: Lab) -> dict[str, bytes]:
    """All parts but the bundle, as they follow from a ledger.

    Args:
        locked: A lab as its ledger has it.
    """
    lock = newest_lock(locked)
    return {
        "lab.lock": locked.repository.read_file(lock.tree, LOCK_FILE),
        "lab.toml": locked.repository.read_file(lock.tree, LAB_FILE),
        "records.jsonl": render_records(locked),
        "results.csv": render(locked, "csv"),
        "results.json": render(locked, "json"),
        "results.tsv": render(locked, "tsv"),
    }


def _at_one_moment(locked: Lab) -> tuple[dict[str, bytes], dict[str, str]]:
    """The documents, and the refs that belong to them."""
    for _ in range(_TRIES):
        head = locked.ledger.head()
        documents, refs = documents_of(locked), _refs(locked)
        if head is not None and locked.ledger.head() == head == refs[locked.ledger.ref]:
            return documents, dict(sorted(refs.items()))
    raise ExportError("The ledger grows faster than it can be read.", "Export when the campaign has ended.")


def _refs(locked: Lab) -> Mapping[str, str]:
    """The refs as the ledger has them: another may be on its way. Cleaned branches stay away."""
    state, entries = locked.ledger.state(), locked.ledger.records()
    there = locked.repository.refs(f"refs/heads/lab/{locked.name}/ideas/")
    branches = {
        f"refs/heads/{record.branch}": record.commit
        for record in state.ideas.values()
        if record.verdict == "kept" or f"refs/heads/{record.branch}" in there
    }
    best = {} if state.champion is None else {locked.best_ref: state.champion.commit}
    return {**branches, **best, locked.ledger.ref: entries[-1].commit if entries else ""}


def _part(data: bytes) -> Part:
    return Part(size=len(data), sha256=hashlib.sha256(data).hexdigest())


def _measured(stream: BinaryIO) -> Part:
    digest = hashlib.sha256()
    stream.seek(0)
    while piece := stream.read(1 << 20):
        digest.update(piece)
    return Part(size=stream.tell(), sha256=digest.hexdigest())


def put_in_place(target: Path, source: BinaryIO, *, replace: bool) -> None:
    """Put a file in its place whole, or not at all.

    Args:
        target: Its place.
        source: Its content.
        replace: Also where there is a file already.

    Raises:
        ExportError: There is one, or it cannot be written.
    """
    if target.is_dir() or (not replace and target.is_symlink()):
        raise ExportError(f"{target} is no place for a file.", "Name another file.")
    try:
        with tempfile.NamedTemporaryFile(
            prefix=f".{target.name}-", dir=target.parent, delete=False
        ) as stream:
            partial = Path(stream.name)
            try:
                source.seek(0)
                shutil.copyfileobj(source, stream, 1 << 20)
                stream.flush()
                partial.chmod(0o644)
                if replace:
                    partial.replace(target)
                else:
                    target.hardlink_to(partial)
            finally:
                partial.unlink(missing_ok=True)
    except FileExistsError as error:
        raise ExportError(f"{target} is there already.", "Name another file, or give --force.") from error
    except OSError as error:
        raise ExportError(f"{target} cannot be written: {error.strerror}.", "Name another file.") from error
