"""Which of the runs that are there the ledger asks for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from lab_plugin.ledger._records import CampaignRecord, VerdictRecord
from lab_plugin.tracking._contract import Entry
from lab_plugin.tracking._drafts import campaign_key, point_key
from lab_plugin.tracking._runs import Found


def survey(
    entries: Sequence[Entry], listing: Iterable[tuple[str, Found]]
) -> tuple[dict[str, Found], tuple[str, ...]]:
    """Sort the runs of an experiment.

    Args:
        entries: The ledger; empty: no run is wanted.
        listing: Key and run, of all runs with a key.

    Returns:
        Key -> the one run to keep for it, and the ids of all further runs, which are to be deleted.
    """
    everything = list(listing)
    wanted = set(_keys(entries))
    keep: dict[str, Found] = {}
    for key, found in everything:
        if key in wanted and (key not in keep or found.finished > keep[key].finished):
            keep[key] = found
    kept = {found.run_id for found in keep.values()}
    orphans = {key for key, found in keep.items() if found.parent and found.parent not in kept}
    for key in orphans:
        kept.discard(keep.pop(key).run_id)
    return keep, tuple(found.run_id for _, found in everything if found.run_id not in kept)


def _keys(entries: Sequence[Entry]) -> Iterator[str]:
    for entry in entries:
        record = entry.record
        if isinstance(record, CampaignRecord):
            yield campaign_key(record.campaign)
            continue
        yield entry.commit
        if isinstance(record, VerdictRecord):
            yield campaign_key(record.campaign)
            yield from (point_key(entry.commit, index) for index in range(1, len(record.points) + 1))
