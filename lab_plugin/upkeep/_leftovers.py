"""What dead processes left on the disk, and containers that nobody owns."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lab_plugin.errors import LabError
from lab_plugin.lab import Lab
from lab_plugin.sandbox import orphan_containers
from lab_plugin.scratch import short_parent, sweep_scratch
from lab_plugin.upkeep._finding import Finding

_SOCKET = Path("/var/run/docker.sock")


def folder_findings(lab: Lab, mend: bool) -> list[Finding]:
    """Folders of trials and workspaces that no living campaign owns; call it while the lease is held.

    Args:
        lab: The lab.
        mend: Remove them.
    """
    trials = lab.folder / "trials"
    left = sorted(trials.iterdir()) if trials.is_dir() else []
    left += lab.pool.orphans()
    for parent in (lab.folder, short_parent()):
        left += sweep_scratch(parent, remove=False)
    if not left:
        return []
    if mend:
        shutil.rmtree(trials, ignore_errors=True)
        lab.pool.clean()
        for parent in (lab.folder, short_parent()):
            sweep_scratch(parent)
    what = f"{len(left)} folder{'s' if len(left) > 1 else ''} of dead processes ({left[0].name}"
    what += ", …)" if len(left) > 1 else ")"
    remedy = "Removed." if mend else "`lab watchdog` removes them, and so does `lab clean`."
    return [Finding("leftover", what, str(left[0].parent), remedy, mended=mend)]


def container_findings(lab: Lab, mend: bool) -> list[Finding]:
    """Containers of candidates and scorers whose lab died before it could remove them.

    Args:
        lab: The lab.
        mend: Remove them.
    """
    kinds = {tier.config.sandbox.kind for tier in lab.config.tiers}
    needed = "docker" in kinds
    if not needed and not ("auto" in kinds and (_SOCKET.exists() or os.environ.get("DOCKER_HOST"))):
        return []
    try:
        names = orphan_containers(remove=mend)
    except LabError as error:
        # A lab that runs in another sandbox misses nothing.
        return [Finding("container", error.message, "docker", error.remedy)] if needed else []
    remedy = "Removed." if mend else "`lab watchdog` removes them, and so does the next trial."
    return [Finding("container", "its owner is dead", name, remedy, mended=mend) for name in names]
