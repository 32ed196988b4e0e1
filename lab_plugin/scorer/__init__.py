"""The scorer: what locks it, what runs it, and what its scorecard must be."""

from lab_plugin.scorer._environment import Environment
from lab_plugin.scorer._lock import FILE_NAME, VERSION, Lock, Terms, differences, read_lock, require_equal
from lab_plugin.scorer._log_tail import clean, tail
from lab_plugin.scorer._measure import LARGE, FileHasher
from lab_plugin.scorer._meter import EnvironmentMeter, shown_changes
from lab_plugin.scorer._runner import Runner, TrialRunner, workspace_for
from lab_plugin.scorer._scorecard import Sample, Scorecard, ScorecardFault, parse_scorecard
from lab_plugin.scorer._snapshot import Snapshot, materialise_snapshot, remove_unused, store_snapshot
from lab_plugin.scorer._trial import SCORECARD, Score, Trial
from lab_plugin.scorer.contracts import CANDIDATE

__all__ = [
    "CANDIDATE",
    "FILE_NAME",
    "LARGE",
    "SCORECARD",
    "VERSION",
    "Environment",
    "EnvironmentMeter",
    "FileHasher",
    "Lock",
    "Runner",
    "Sample",
    "Score",
    "Scorecard",
    "ScorecardFault",
    "Snapshot",
    "Terms",
    "Trial",
    "TrialRunner",
    "clean",
    "differences",
    "materialise_snapshot",
    "parse_scorecard",
    "read_lock",
    "remove_unused",
    "require_equal",
    "shown_changes",
    "store_snapshot",
    "tail",
    "workspace_for",
]
