"""What should agree with the ledger: the champion's branch, lab.lock, open ideas, and MLflow."""

from __future__ import annotations

import time

from lab_plugin.errors import LabError
from lab_plugin.lab import Lab
from lab_plugin.lab_branches import ledger_command, mend_branches
from lab_plugin.ledger import VerdictRecord
from lab_plugin.lock_in_force import require_lock
from lab_plugin.mirroring import known_store
from lab_plugin.queue import open_ideas
from lab_plugin.repository import Lease
from lab_plugin.tracking import mirrored_up_to
from lab_plugin.upkeep._finding import Finding

_LOOKS = 5
_SECONDS = 0.2


def champion_findings(lab: Lab, lease: Lease | None) -> list[Finding]:
    """Whether the champion's branch is at the ledger's champion.

    Args:
        lab: The lab.
        lease: Held, to finish what a dead process left half done; None to look only.
    """
    if not _drifted(lab):
        return []
    where, what = lab.best_branch, "is not at the ledger's champion"
    if lease is None:
        return [
            Finding("champion", f"{where} {what}", where, "`lab watchdog` says more when no campaign runs.")
        ]
    try:
        mend_branches(lab, lease)
    except LabError as error:
        return [Finding("champion", error.message, where, error.remedy)]
    return [
        Finding("champion", f"{where} was not at the ledger's champion", where, "Moved there.", mended=True)
    ]


def lock_findings(lab: Lab) -> list[Finding]:
    """Whether all that makes a score is what the ledger says was locked."""
    if lab.ledger.state().lock is None:
        remedy = f"Run `lab lock`; in a clone of a lab that is locked, `{ledger_command(lab)}`."
        return [Finding("lock", "there is no lock in the ledger", lab.ledger.ref, remedy)]
    try:
        require_lock(lab)
    except LabError as error:
        return [Finding("lock", error.message, str(lab.config.folder), error.remedy)]
    return []


def idea_findings(lab: Lab) -> list[Finding]:
    """Open ideas that cannot be read back."""
    remedy = "It stays aside; `git update-ref -d` on its ref gives it up."
    return [
        Finding("idea", f"the open idea {name} cannot be read back", lab.open_prefix + name, remedy)
        for name in open_ideas(lab)[1].values()
    ]


def mirror_findings(lab: Lab) -> list[Finding]:
    """Whether MLflow has every verdict; told only where the store is known to lack some."""
    store = known_store(lab)
    known = mirrored_up_to(store, lab.key) if store else None
    if store is None or known is None:
        return []
    entries = lab.ledger.records()
    at = next((at for at, entry in enumerate(entries) if entry.commit == known), -1)
    missing = sum(isinstance(entry.record, VerdictRecord) for entry in entries[at + 1 :])
    if not missing:
        return []
    return [Finding("mirror", f"MLflow lacks {missing} of the verdicts", store.uri, "Run `lab sync`.")]


def _drifted(lab: Lab) -> bool:
    """Whether branch and ledger differ, and go on to: one verdict moves one after the other."""
    for _ in range(_LOOKS):
        champion, found = lab.ledger.state().champion, lab.repository.ref(lab.best_ref)
        if (champion.commit if champion is not None else None) == found:
            return False
        time.sleep(_SECONDS)
    return True
