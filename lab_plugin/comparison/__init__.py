"""Ideas beside the champion: repeats on common seeds, until the decision has its answer."""

from lab_plugin.comparison._desk import ComparisonDesk
from lab_plugin.comparison._history import History
from lab_plugin.comparison._open import OpenComparison, Outlook
from lab_plugin.comparison._record import decide_again, evidence_of
from lab_plugin.comparison._repeats import RunRepeat
from lab_plugin.comparison._rules import (
    TRIES,
    as_itself,
    margin_of,
    noise_of,
    noise_record,
    rules_of,
    tries_of,
)
from lab_plugin.comparison._samples import pair_samples, samples_of

__all__ = [
    "TRIES",
    "ComparisonDesk",
    "History",
    "OpenComparison",
    "Outlook",
    "RunRepeat",
    "as_itself",
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
