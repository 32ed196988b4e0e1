"""What goes wrong around campaigns while nobody looks: found, and mended where that is certainly right."""

from lab_plugin.upkeep._disk import LEAST_FREE_GB
from lab_plugin.upkeep._finding import Finding, Kind, findings_table, outcome
from lab_plugin.upkeep._look import look_after
from lab_plugin.upkeep._remote import remote_findings

__all__ = [
    "LEAST_FREE_GB",
    "Finding",
    "Kind",
    "findings_table",
    "look_after",
    "outcome",
    "remote_findings",
]
