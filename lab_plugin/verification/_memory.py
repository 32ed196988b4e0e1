"""The newest record that was proved on this machine; a ledger that is rewritten afterwards lacks it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress

from lab_plugin.lab import Lab
from lab_plugin.ledger import Place, Problem, Proof
from lab_plugin.whole_file import write_whole

_FILE = "verified.json"
_LARGEST = 1 << 10
_ID = re.compile(r"[0-9a-f]{40}")


def remember(lab: Lab, proof: Proof) -> None:
    """Keep the head of a proof without a problem; a disk that is full or read-only loses only this."""
    if not proof.records:
        return
    data = json.dumps({"record": proof.records, "commit": proof.commits[-1]})
    with suppress(OSError):
        write_whole(lab.folder / _FILE, data.encode())


def memory_problems(lab: Lab, proof: Proof) -> Iterator[Problem]:
    """Check that a ledger goes on from where it was when it was last proved here."""
    known = _recall(lab)
    if known is None:
        return
    found = proof.commits[known.record] if known.record <= proof.records else "no such record"
    if found != known.commit:
        remedy = (
            f"The ledger was cut back or written anew. Compare with a clone; if you did that yourself, "
            f"remove {lab.folder / _FILE}."
        )
        what = f"record {known.record} was another one when the ledger was last verified on this machine"
        yield Problem("", what, remedy, 0, None, known.commit, found)


def _recall(lab: Lab) -> Place | None:
    """What was kept; None where nothing was, or nothing that can be read."""
    try:
        with (lab.folder / _FILE).open("rb") as stream:
            value = json.loads(stream.read(_LARGEST))
        place = Place(value["record"], value["commit"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    known = isinstance(place.record, int) and place.record > 0 and isinstance(place.commit, str)
    return place if known and _ID.fullmatch(place.commit) else None
