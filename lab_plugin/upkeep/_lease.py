"""The lease of a campaign that is dead."""

from __future__ import annotations

from lab_plugin.lab import Lab
from lab_plugin.repository import dead_lease
from lab_plugin.upkeep._finding import Finding


def lease_findings(lab: Lab, mend: bool) -> list[Finding]:
    """The lease, where its holder is dead; let go of only where that is certain.

    Args:
        lab: The lab.
        mend: Let go of it.
    """
    found = dead_lease(lab.repository, lab.lease_ref)
    if found is None:
        return []
    who = found.owner.describe()
    if not found.certain:
        return [
            Finding(
                "lease",
                f"{who} has not been heard of for {found.silent:.0f} s",
                lab.lease_ref,
                f"Look at {found.owner.host}: if the process is dead, the next `lab run` takes the lease.",
            )
        ]
    if mend:
        found.release()
    remedy = "The lease was let go." if mend else "`lab watchdog` lets go of it, and so does `lab run`."
    return [Finding("lease", f"{who} is dead", lab.lease_ref, remedy, mended=mend)]
