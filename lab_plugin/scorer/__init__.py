"""The scorer: what locks it, what runs it, and what its scorecard must be."""

from lab_plugin.scorer._environment import Environment, measure_environment
from lab_plugin.scorer._lock import FILE_NAME, VERSION, Lock, Terms, differences, read_lock, require_equal
from lab_plugin.scorer._measure import FileHasher
from lab_plugin.scorer._scorecard import Sample, Scorecard, ScorecardFault, parse_scorecard
from lab_plugin.scorer._snapshot import materialise_snapshot, store_snapshot
from lab_plugin.scorer._trial import SCORECARD, Score, Trial, TrialRunner, clean, tail

__all__ = [
    "FILE_NAME",
    "SCORECARD",
    "VERSION",
    "Environment",
    "FileHasher",
    "Lock",
    "Sample",
    "Score",
    "Scorecard",
    "ScorecardFault",
    "Terms",
    "Trial",
    "TrialRunner",
    "clean",
    "differences",
    "materialise_snapshot",
    "measure_environment",
    "parse_scorecard",
    "read_lock",
    "require_equal",
    "store_snapshot",
    "tail",
]
