"""Whether the hold-out holds what candidates or the public scoring see: then it tests nothing.

Warned of, and not refused: labels repeat by nature, and row numbers are no identities.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from lab_plugin.lab import Lab

_LARGEST = 64 << 20
"""Bytes of a file whose lines are compared; of larger ones only the whole is."""
_LONG_LINE = 12
"""Characters from which on a line is no mere label."""
_PROGRAM = re.compile(
    r"\.(c|cc|cfg|cpp|go|h|ini|java|jl|js|md|pl|py|r|rb|rs|sh|toml|ts|ya?ml)", re.IGNORECASE
)
"""Endings of programs and settings, which share lines by nature."""
_ID = re.compile(r"(.*[_ ])?(id|ids|key|uuid|guid|hash|name)", re.IGNORECASE)


def find_overlaps(lab: Lab) -> tuple[str, ...]:
    """Where the hold-out overlaps with what is public: equal files, equal lines, equal ids in CSV.

    Public are the candidate's data, the public scorer's files, and all of the commit at HEAD that candidates
    see. Lines and ids are compared with the first two.

    Returns:
        A sentence for each overlap; empty in a lab without a hold-out.

    Raises:
        LockError: A file that is locked cannot be read.
    """
    if lab.config.scorer.holdout is None:
        return ()
    folder = lab.config.folder
    terms = lab.terms()
    sealed = {path: folder / path for path in (*terms.holdout, *terms.holdout_data)}
    public = {path: folder / path for path in (*terms.data, *terms.files)}
    digests = {**terms.data, **terms.files}
    secret = {**terms.holdout, **terms.holdout_data}
    copies = list(_copies(secret, digests))
    copied = {path for path, _ in copies} | {path for path, _ in _committed(lab, sealed)}
    found = [f"{path} has the content of {other}" for path, other in (*copies, *_committed(lab, sealed))]
    texts = {path: _lines(file) for path, file in public.items()}
    for path, file in sealed.items():
        if path not in copied:
            found.extend(_shared(path, _lines(file), texts))
    return tuple(f"hold-out: {line}" for line in dict.fromkeys(found))


def _copies(sealed: dict[str, str], public: dict[str, str]) -> Iterator[tuple[str, str]]:
    owners: dict[str, str] = {}
    for path, measured in sorted(public.items(), reverse=True):
        owners[measured.partition(":")[2]] = path
    for path, measured in sealed.items():
        if other := owners.get(measured.partition(":")[2]):
            yield path, other


def _committed(lab: Lab, sealed: dict[str, Path]) -> Iterator[tuple[str, str]]:
    """Files of the commit that candidates see and that a hold-out file is a copy of."""
    entries = lab.repository.entries(lab.repository.tree_of(lab.repository.head()))
    seen = {entry.oid: path for path, entry in entries.items() if not lab.hides(path)}
    for path, file in sealed.items():
        size = file.stat().st_size
        if not size:
            continue
        digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
        with file.open("rb") as stream:
            while data := stream.read(1 << 20):
                digest.update(data)
        if other := seen.get(digest.hexdigest()):
            yield path, f"{other}, which candidates see"


def _shared(path: str, lines: _Text, public: dict[str, _Text]) -> Iterator[str]:
    for other, text in public.items():
        if shared := len(lines.rows & text.rows):
            yield f"{shared} of {len(lines.rows)} lines of {path} stand in {other} too"
            continue
        for column in lines.ids.keys() & text.ids.keys():
            if shared := len(lines.ids[column] & text.ids[column]):
                count = len(lines.ids[column])
                yield f"{shared} of {count} values of the column {column!r} of {path} stand in {other} too"


class _Text:
    """What of a text file can be recognised elsewhere.

    Attributes:
        rows: Digests of its lines but the first, as far as they are longer than a label.
        ids: Column of a CSV file that names things -> its values.
    """

    def __init__(self, rows: Iterable[str] = (), ids: dict[str, set[str]] | None = None) -> None:
        kept = (row.strip() for row in rows)
        self.rows = {
            hashlib.blake2b(row.encode("utf-8", "replace"), digest_size=12).digest()
            for row in kept
            if len(row) >= _LONG_LINE
        }
        self.ids = ids or {}


def _lines(file: Path) -> _Text:
    """The lines of a text file; nothing of a program, of what is no text, or of what is too large."""
    if _PROGRAM.fullmatch(file.suffix) or file.stat().st_size > _LARGEST:
        return _Text()
    data = file.read_bytes()
    if b"\0" in data[:65_536]:
        return _Text()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return _Text()
    tabular = file.suffix.lower() in (".csv", ".tsv")
    lines = text.splitlines()
    # The first line of a table is its header, which any two of a kind share.
    return _Text(lines[1:] if tabular else lines, _ids(text, file.suffix.lower()) if tabular else None)


def _ids(text: str, suffix: str) -> dict[str, set[str]]:
    reader = csv.reader(io.StringIO(text), delimiter="\t" if suffix == ".tsv" else ",")
    found: dict[str, set[str]] = {}
    try:
        header = [name.strip() for name in next(reader, [])]
        columns = [(index, name) for index, name in enumerate(header) if _ID.fullmatch(name)]
        for row in reader:
            for index, name in columns:
                if index < len(row) and row[index].strip():
                    found.setdefault(name, set()).add(row[index].strip())
    except csv.Error:
        return {}
    return found
