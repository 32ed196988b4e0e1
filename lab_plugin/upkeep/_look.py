"""One look at everything around a lab's campaigns."""

from __future__ import annotations

from lab_plugin.errors import LabError, LeaseHeld
from lab_plugin.lab import Lab
from lab_plugin.repository import Lease
from lab_plugin.upkeep._disk import LEAST_FREE_GB, disk_findings
from lab_plugin.upkeep._finding import Finding
from lab_plugin.upkeep._lease import lease_findings
from lab_plugin.upkeep._leftovers import container_findings, folder_findings
from lab_plugin.upkeep._truth import champion_findings, idea_findings, lock_findings, mirror_findings


def look_after(lab: Lab, *, mend: bool = True, least_free: float = LEAST_FREE_GB) -> list[Finding]:
    """Find what is not as it should be, and mend what is certainly to be mended.

    What a living campaign owns is left to it. Flow runs are not looked at: those are Prefect's.

    Args:
        lab: The lab.
        mend: Whether to change anything.
        least_free: Gigabytes that should be free where the lab writes.
    """
    findings = lease_findings(lab, mend)
    findings += disk_findings(lab, least_free)
    findings += container_findings(lab, mend)
    try:
        findings += _beside_the_ledger(lab, mend)
    except LabError as error:
        findings.append(Finding("ledger", error.message, lab.ledger.ref, error.remedy))
    return findings


def _beside_the_ledger(lab: Lab, mend: bool) -> list[Finding]:
    found = lock_findings(lab) + idea_findings(lab)
    if lab.ledger.state().lock is None:
        return found
    if not mend:
        return found + champion_findings(lab, None) + folder_findings(lab, False) + mirror_findings(lab)
    try:
        lease = Lease.acquire(lab.repository, lab.lease_ref, "lab watchdog")
    except LeaseHeld:
        # Its folders are in use, and MLflow follows it.
        return found + champion_findings(lab, None)
    with lease:
        return found + champion_findings(lab, lease) + folder_findings(lab, True) + mirror_findings(lab)
