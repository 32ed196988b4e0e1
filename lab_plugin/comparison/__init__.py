"""Ideas beside the champion: repeats on common seeds, until the decision has its answer."""

from lab_plugin.comparison._desk import ComparisonDesk
from lab_plugin.comparison._history import History, by_seed
from lab_plugin.comparison._open import OpenComparison, Outlook
from lab_plugin.comparison._record import WORDS, comparison_record, decide_again, evidence_of
from lab_plugin.comparison._repeats import Repeats, RunRepeat
from lab_plugin.comparison._rules import (
    as_itself,
    margin_of,
    noise_of,
    noise_record,
    rules_of,
    tries_of,
)
from lab_plugin.comparison._samples import pair_samples, samples_of
from lab_plugin.comparison._store import RepeatStore

__all__ = [
    "WORDS",
    "ComparisonDesk",
    "History",
    "OpenComparison",
    "Outlook",
    "RepeatStore",
    "Repeats",
    "RunRepeat",
    "as_itself",
    "by_seed",
    "comparison_record",
    "decide_again",
    "evidence_of",
    "margin_of",
    "noise_of",
    "noise_record",
    "pair_samples",
    "rules_of",
    "samples_of",
    "tries_of",
]
