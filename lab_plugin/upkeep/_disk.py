"""Free space where the lab writes: its state folder and the repository."""

from __future__ import annotations

import os
from pathlib import Path

from lab_plugin.lab import Lab
from lab_plugin.upkeep._finding import Finding

LEAST_FREE_GB = 2.0
"""Gigabytes under which a disk is said to be nearly full."""

_LEAST_FILES = 0.01


def disk_findings(lab: Lab, least_free: float) -> list[Finding]:
    """Disks that are nearly full.

    Args:
        lab: The lab.
        least_free: Gigabytes that should be free.
    """
    findings, seen = [], set()
    for what, folder in (("the state folder", lab.home.root), ("the repository", lab.repository.common_dir)):
        device = folder.stat().st_dev
        if device not in seen and (shortage := _shortage(folder, least_free)):
            remedy = "Free some space there: `lab clean` gives back what can be made again."
            findings.append(Finding("disk", f"{shortage} on the disk of {what}", str(folder), remedy))
        seen.add(device)
    return findings


def _shortage(folder: Path, least_free: float) -> str:
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize / 1e9
    if free < least_free:
        return f"{free:.2f} GB of {found.f_blocks * found.f_frsize / 1e9:.0f} GB are free"
    # Some file systems count no files.
    if found.f_files and found.f_favail < _LEAST_FILES * found.f_files:
        return f"room for {found.f_favail:,} more files"
    return ""
