"""The proof of an archive: what is in it is whole, and all of it follows from a ledger that verifies."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from lab_plugin import __version__
from lab_plugin.errors import ExportError, LabError
from lab_plugin.exporting._archive import documents_of
from lab_plugin.exporting._locked import lab_as_locked
from lab_plugin.exporting._manifest import BUNDLE, MANIFEST, PARTS, Manifest
from lab_plugin.exporting._tar import Part, read_parts
from lab_plugin.home import Home
from lab_plugin.lab import Lab
from lab_plugin.repository import Repository, unpack_bundle
from lab_plugin.verification import LabProof, prove_lab

_MANIFEST_BYTES = 64 << 20
_DOCUMENT_BYTES = 512 << 20
_SPARE = 1 << 20


@dataclass(frozen=True)
class ArchiveProof:
    """What came of proving an archive.

    Attributes:
        manifest: What it says of itself.
        problems: What is not as it should be, one line each; those of the ledger are in its proof.
        ledger: The proof of its ledger; None when that could not be opened.
        notes: What could not be compared, one line each.
    """

    manifest: Manifest
    problems: tuple[str, ...] = ()
    ledger: LabProof | None = None
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.problems and self.ledger is not None and not self.ledger.problems


class _Found(NamedTuple):
    """An archive's parts: the digest of each, the manifest, and the content of the results."""

    manifest: Manifest
    digests: dict[str, str]
    results: bytes


def verify_archive(path: Path) -> ArchiveProof:
    """Prove an archive with nothing but itself, in a folder that is gone afterwards.

    Args:
        path: It may come from anybody.

    Raises:
        ExportError: It is no archive of a lab.
    """
    with tempfile.TemporaryDirectory(prefix="lab-archive-") as name:
        folder = Path(name).resolve()
        try:
            with path.open("rb") as stream:
                found = _read(stream, folder / BUNDLE, path.stat().st_size)
        except OSError as error:
            raise ExportError(
                f"{path} cannot be read: {error.strerror}.", "Name an existing file."
            ) from error
        except ExportError as error:
            raise ExportError(f"{path} is no archive of a lab. {error.message}", "Get it again.") from error
        try:
            return _proved(found, folder)
        except Exception as error:  # noqa: BLE001 (a ledger may be made to break its reader)
            words = error.message if isinstance(error, LabError) else f"{type(error).__name__}: {error}"
            return ArchiveProof(found.manifest, (f"its ledger cannot be proved: {words[:500]}",))


def _proved(found: _Found, folder: Path) -> ArchiveProof:
    problems, notes = list(_bundle_problems(found, folder)), list[str]()
    home = folder / "home"
    lab = lab_as_locked(Repository.open(folder / "repository"), found.manifest.lab, Home(home))
    try:
        proof = prove_lab(lab)
        problems += _document_problems(found, lab, notes)
    finally:
        lab.close()
    return ArchiveProof(found.manifest, tuple(problems), proof, tuple(notes))


def _read(stream: Any, bundle: Path, compressed: int) -> _Found:
    """Take an archive apart; only its bundle is written, as large as it can honestly be."""
    manifest: Manifest | None = None
    digests: dict[str, str] = {}
    results = b""
    wanted = [MANIFEST, *PARTS]
    for part in read_parts(stream):
        if not wanted or part.name != wanted.pop(0):
            raise ExportError(f"It holds {part.name[:100]!r} where another part should be.")
        if part.name == MANIFEST:
            manifest = Manifest.from_bytes(_content(part, _MANIFEST_BYTES))
            continue
        assert manifest is not None
        known = manifest.files.get(part.name)
        if known is None or known.size != part.size:
            raise ExportError(f"Its {part.name} has another size than its {MANIFEST} says.")
        if part.name == BUNDLE:
            # A bundle is compressed itself: gzip makes it no smaller.
            digests[part.name] = _spill(part, bundle, 2 * compressed + _SPARE)
        elif part.name == "results.json":
            results = _content(part, _DOCUMENT_BYTES)
            digests[part.name] = hashlib.sha256(results).hexdigest()
        else:
            digests[part.name] = _hashed(part)
    if manifest is None or wanted or manifest.files.keys() != set(PARTS):
        raise ExportError(f"It lacks {(wanted or ['what its manifest should name'])[0]}.")
    for name, digest in digests.items():
        if digest != manifest.files[name].sha256:
            raise ExportError(f"Its {name} has another digest than its {MANIFEST} says.")
    return _Found(manifest, digests, results)


def _content(part: Part, limit: int) -> bytes:
    if part.size > limit:
        raise ExportError(f"Its {part.name} has {part.size} bytes, more than are read.")
    return b"".join(part.pieces)


def _hashed(part: Part) -> str:
    if part.size > _DOCUMENT_BYTES:
        raise ExportError(f"Its {part.name} has {part.size} bytes, more than are read.")
    digest = hashlib.sha256()
    for piece in part.pieces:
        digest.update(piece)
    return digest.hexdigest()


def _spill(part: Part, target: Path, limit: int) -> str:
    if part.size > limit:
        raise ExportError(f"Its {part.name} has {part.size} bytes, more than its file could honestly hold.")
    digest = hashlib.sha256()
    with target.open("xb") as stream:
        for piece in part.pieces:
            digest.update(piece)
            stream.write(piece)
    return digest.hexdigest()


def _bundle_problems(found: _Found, folder: Path) -> Iterator[str]:
    """Make a repository of the bundle, and hold its refs against the manifest."""
    name = found.manifest.lab
    refs = unpack_bundle(folder / BUNDLE, folder / "repository")
    own = (f"refs/lab/{name}/ledger", f"refs/heads/lab/{name}/")
    for ref in refs:
        if not ref.startswith(own):
            yield f"its bundle has a ref that is not of the lab {name}: {ref[:200]}"
    if refs != found.manifest.refs:
        yield f"its bundle has other refs than its {MANIFEST} says"
    if refs.get(own[0]) != found.manifest.ledger:
        yield f"its ledger ends at another commit than its {MANIFEST} says"


def _document_problems(found: _Found, lab: Lab, notes: list[str]) -> Iterator[str]:
    """What is told of the ledger must follow from it."""
    manifest, entries = found.manifest, lab.ledger.records()
    if (len(entries), entries[-1].record.at) != (manifest.records, manifest.at):
        yield f"its {MANIFEST} counts {manifest.records} records up to {manifest.at}, and its ledger does not"
    for name, data in documents_of(lab).items():
        if found.digests[name] == hashlib.sha256(data).hexdigest():
            continue
        if name == "results.json" and _same_results(found.results, data):
            continue
        if name.startswith("results.") and manifest.version != __version__:
            notes.append(
                f"its {name} was written by version {manifest.version}, and this one writes it otherwise"
            )
        else:
            yield f"its {name} does not follow from its ledger"


def _same_results(ours: bytes, theirs: bytes) -> bool:
    """Whether two results agree but for how well tiers foretell each other, which no record has."""
    try:
        pair = [json.loads(data) for data in (ours, theirs)]
    except (ValueError, RecursionError):
        return False
    if not all(isinstance(each, dict) for each in pair):
        return False
    for each in pair:
        each.pop("tiers", None)
    return bool(pair[0] == pair[1])
