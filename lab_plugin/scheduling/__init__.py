"""What a campaign does next: which idea, at which tier, and in which order results count."""

from lab_plugin.scheduling._line import Line
from lab_plugin.scheduling._schedule import Entry, Schedule, Stage, Visit

__all__ = ["Entry", "Line", "Schedule", "Stage", "Visit"]
