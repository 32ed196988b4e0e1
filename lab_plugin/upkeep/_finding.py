"""One thing that is not as it should be, and how all of them read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "lease",
    "run",
    "container",
    "leftover",
    "disk",
    "champion",
    "lock",
    "ledger",
    "idea",
    "mirror",
    "api",
    "remote",
]
Outcome = Literal["Healthy", "Mended", "Needs attention"]


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be.

    Attributes:
        kind: What it is of.
        what: What was found.
        where: The ref, folder or address.
        remedy: What to do, or what was done where it is mended.
        mended: It is as it should be now.
    """

    kind: Kind
    what: str
    where: str
    remedy: str
    mended: bool = False


def outcome(findings: Sequence[Finding]) -> Outcome:
    """What came of a look, in the words of its flow run's state."""
    if any(not finding.mended for finding in findings):
        return "Needs attention"
    return "Mended" if findings else "Healthy"


def findings_table(lab: str, findings: Sequence[Finding]) -> str:
    """The findings as markdown.

    Args:
        lab: Name of the lab.
        findings: What needs attention is shown first.
    """
    lines = [f"# Watchdog: {lab}", "", f"**{outcome(findings)}**", ""]
    if not findings:
        return "\n".join([*lines, "Nothing was found."]) + "\n"
    lines += ["| | what | where | remedy |", "|---|---|---|---|"]
    for one in sorted(findings, key=lambda finding: finding.mended):
        word = "mended" if one.mended else "**open**"
        lines.append(f"| {word} | {_cell(one.what)} | `{_cell(one.where)}` | {_cell(one.remedy)} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("`", "'")
