"""What a scoring said beyond its metrics, kept in git with the record that it belongs to.

A verdict's ledger commit has these files as its tree, a lock's has them under `details/`: so they are bound
to the record by git's own hashes, travel with the ledger, and need nothing but the repository. Sample ids are
a file of their own, which all ideas share as long as the scorer names the same samples.
"""

from __future__ import annotations

import array
import bisect
import json
import os
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lab_plugin.errors import LedgerError, RepositoryError
from lab_plugin.lab import Lab
from lab_plugin.proposers import clean_block
from lab_plugin.pruning import Curve, decode, encode
from lab_plugin.repository import EMPTY_TREE, Blob, Repository
from lab_plugin.scorer import Sample, Score

FOLDER = "details"
"""Where they lie in the tree of a lock."""

_IDS, _SCORES, _NOTES = "ids.json", "scores.f64", "notes.json"
_FEEDBACK, _STDERR = "feedback.txt", "stderr.txt"
_CURVES = "curves.json"
_CURVE_POINTS = 16_000
_MARGIN = 4 << 10


@dataclass(frozen=True)
class Details:
    """What a scoring said.

    Attributes:
        samples: Sorted by id.
        feedback: The scorer's text, without secrets.
        stderr: The end of the candidate's stderr, cleaned, without secrets.
    """

    samples: tuple[Sample, ...] = ()
    feedback: str = ""
    stderr: str = ""


def store_score(lab: Lab, score: Score, stderr: Path, curves: Mapping[int, Curve] | None = None) -> str:
    """Store what a scoring said, as far as it is kept.

    Args:
        lab: The lab.
        score: What came of the trial.
        stderr: The candidate's log.
        curves: Of the idea's runs, by the index of the point.

    Returns:
        The tree's object id; "" when nothing was said.
    """
    redact, rule = lab.redactor.text, lab.config.feedback
    # Only for proposers; people find the whole log beside the other artifacts.
    told = end_of_stderr(stderr, redact, rule.stderr_bytes) if rule.stderr == "tail" else ""
    return write_details(lab.repository, Details(score.samples, score.feedback, told), redact, curves)


def write_details(
    repository: Repository,
    details: Details,
    redact: Callable[[str], str],
    curves: Mapping[int, Curve] | None = None,
) -> str:
    """Store details in git's object store.

    A sample whose id holds a secret is left out.

    Args:
        repository: Where to.
        details: What was said, in any order.
        redact: Takes secrets out.
        curves: By the index of the point; those of a large batch are thinned.

    Returns:
        The tree's object id; "" when nothing was said.
    """
    samples = sorted(details.samples, key=lambda sample: sample.id)
    ids = _ids(samples)
    if not _clean(redact, ids):
        samples = [sample for sample in samples if redact(sample.id) == sample.id]
        ids = _ids(samples)
    files: dict[str, bytes] = {}
    if samples:
        files[_IDS] = ids.encode()
        files[_SCORES] = _packed(array.array("d", [sample.score for sample in samples]))
    if notes := {sample.id: redact(sample.note) for sample in samples if sample.note}:
        files[_NOTES] = json.dumps(notes, sort_keys=True, ensure_ascii=False).encode()
    if details.feedback:
        files[_FEEDBACK] = redact(details.feedback).encode()
    if details.stderr:
        files[_STDERR] = redact(details.stderr).encode()
    if curves:
        most = max(2, _CURVE_POINTS // len(curves))
        files[_CURVES] = encode({index: curve.thin(most) for index, curve in curves.items()})
    if not files:
        return ""
    return repository.write_tree({name: Blob(data=data) for name, data in files.items()})


def read_details(
    repository: Repository,
    tree: str,
    *,
    samples: bool = True,
    only: Callable[[str], object] | None = None,
) -> Details:
    """Read details back.

    Args:
        repository: Where from.
        tree: From `write_details`; "" for none.
        samples: Also the samples, which may be many.
        only: Whether a sample of this id is wanted; None for all.

    Raises:
        LedgerError: They are missing or damaged.
    """
    if tree in ("", EMPTY_TREE):
        return Details()
    with _readable(tree):
        blobs = {name: entry.oid for name, entry in repository.folder(tree).items()}
        texts = {
            name: repository.read_blob(blobs[name]).decode("utf-8", "replace")
            for name in (_FEEDBACK, _STDERR)
            if name in blobs
        }
        found = _samples(repository, blobs, only) if samples else ()
    return Details(found, texts.get(_FEEDBACK, ""), texts.get(_STDERR, ""))


def read_curves(repository: Repository, tree: str) -> dict[int, Curve]:
    """Read the curves of details, by the index of the point; none where there are none.

    Raises:
        LedgerError: They are missing or damaged.
    """
    if tree in ("", EMPTY_TREE):
        return {}
    with _readable(tree):
        entry = repository.folder(tree).get(_CURVES)
        return {} if entry is None else decode(repository.read_blob(entry.oid))


def has_samples(repository: Repository, tree: str) -> bool:
    """Whether details hold samples."""
    return tree != "" and _IDS in repository.folder(tree)


def read_sample(repository: Repository, tree: str, name: str) -> Sample | None:
    """Read one sample of details that have some, without making the others; None when it is not there.

    Raises:
        LedgerError: They are missing or damaged.
    """
    with _readable(tree):
        blobs = {file: entry.oid for file, entry in repository.folder(tree).items()}
        ids = _read_ids(repository.read_blob(blobs[_IDS]))
        position = bisect.bisect_left(ids, name)
        if position == len(ids) or ids[position] != name:
            return None
        (score,) = struct.unpack_from("<d", repository.read_blob(blobs[_SCORES]), 8 * position)
        return Sample(name, score, _read_notes(repository, blobs).get(name, ""))


def end_of_stderr(log: Path, redact: Callable[[str], str], largest: int) -> str:
    """The end of a candidate's stderr, without secrets and control characters.

    Args:
        log: Where it is.
        redact: Takes secrets out before the text is cut.
        largest: Bytes at most.
    """
    try:
        with log.open("rb") as stream:
            wanted = 4 * largest + _MARGIN
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - wanted))
            text = redact(stream.read(wanted).decode("utf-8", "replace"))
    except OSError:
        return ""
    return clean_block(text, len(text)).encode()[-largest:].decode("utf-8", "ignore")


def _samples(
    repository: Repository, blobs: Mapping[str, str], only: Callable[[str], object] | None
) -> tuple[Sample, ...]:
    if _IDS not in blobs:
        return ()
    ids = _read_ids(repository.read_blob(blobs[_IDS]))
    scores = array.array("d", _native(repository.read_blob(blobs[_SCORES])))
    notes = _read_notes(repository, blobs)
    return tuple(
        Sample(name, score, notes.get(name, ""))
        for name, score in zip(ids, scores, strict=True)
        if only is None or only(name)
    )


@contextmanager
def _readable(tree: str) -> Iterator[None]:
    try:
        yield
    except (RepositoryError, ValueError, TypeError, LookupError, struct.error) as error:
        raise LedgerError(
            f"The details {tree} of a record cannot be read: {error}.",
            "Fetch the ledger from a clone that has it, or look at `git fsck`.",
        ) from error


def _read_notes(repository: Repository, blobs: Mapping[str, str]) -> dict[str, str]:
    return dict(json.loads(repository.read_blob(blobs[_NOTES]))) if _NOTES in blobs else {}


@lru_cache(maxsize=2)
def _clean(redact: Callable[[str], str], ids: str) -> bool:
    """Whether ids hold no secret; looking takes seconds for many, and they are the same for every idea."""
    return redact(ids) == ids


@lru_cache(maxsize=2)
def _read_ids(data: bytes) -> tuple[str, ...]:
    return tuple(json.loads(data))


def _ids(samples: list[Sample]) -> str:
    return json.dumps([sample.id for sample in samples], ensure_ascii=False, separators=(",", ":"))


def _packed(numbers: array.array[float]) -> bytes:
    """64-bit floats, little-endian."""
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def _native(data: bytes) -> bytes:
    return data if sys.byteorder == "little" else _packed(array.array("d", data))
