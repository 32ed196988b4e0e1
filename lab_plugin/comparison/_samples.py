"""Per-sample scores of two commits, side by side."""

from __future__ import annotations

from collections.abc import Iterable

from lab_plugin.config import Config
from lab_plugin.decision import SamplePairs
from lab_plugin.details import FOLDER, read_details
from lab_plugin.lab import Lab
from lab_plugin.ledger import LockRecord, VerdictRecord
from lab_plugin.scorer import Sample


def pair_samples(config: Config, ours: Iterable[Sample], theirs: Iterable[Sample]) -> SamplePairs | None:
    """Pair the samples of a candidate and a champion by their ids.

    Returns:
        None where a side has none, or samples are better the other way than the metric: their mean is then
        not what the metric says. Also where they are tests, which are no sample: they are all that counts.
    """
    if config.scorer.contract == "tests":
        return None
    mine, other = ({sample.id: sample.score for sample in side} for side in (ours, theirs))
    way = config.scorer.samples
    own = "higher_is_better" if config.scorer.goal == "maximize" else "lower_is_better"
    if not mine or not other or way not in (None, own):
        return None
    return SamplePairs.of(mine, other)


def samples_of(lab: Lab, record: VerdictRecord | LockRecord) -> tuple[Sample, ...]:
    """The samples that a record's scoring had.

    Raises:
        LedgerError: They are missing or damaged.
    """
    if isinstance(record, LockRecord):
        return read_details(lab.repository, lab.repository.subtree(record.tree, FOLDER) or "").samples
    return read_details(lab.repository, record.details).samples
