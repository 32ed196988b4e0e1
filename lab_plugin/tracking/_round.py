"""One round of mirroring: from the cursor to the ledger's end, each idea exactly once.

A run counts as written when its status is final, and the cursor moves only behind such runs. A round that
was cut short leaves at most `CHUNK` entries behind the cursor in doubt; those are looked up by their key.
With a cursor that the ledger does not know, everything is in doubt, and all runs are listed once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lab_plugin.gap import gap_chart
from lab_plugin.ledger._records import (
    CampaignRecord,
    ConfirmationRecord,
    ImportRecord,
    LockRecord,
    VerdictRecord,
)
from lab_plugin.pruning import Curve
from lab_plugin.tracking import _drafts
from lab_plugin.tracking._contract import Artifacts, Curves, Entry, Progress, SyncReport, Written
from lab_plugin.tracking._drafts import Draft
from lab_plugin.tracking._names import clean
from lab_plugin.tracking._runs import Found, Runs
from lab_plugin.tracking._story import Story

if TYPE_CHECKING:
    from lab_plugin.tracking._experiment import Experiment

CHUNK = 20
_log = logging.getLogger("lab_plugin.tracking")
Lookup = Callable[[str], Found | None]


class Round:
    """Writes entries to one experiment.

    Args:
        experiment: The lab's experiment.
        runs: Its runs.
        sources: Files and curves of an idea, and who is told when it is written.
        lookup: The run with a key, if it may be there already.
        advance: Called with each ledger commit up to which all is written.
        older: Runs that are about to be replaced, by key; their files are taken over.
    """

    def __init__(
        self,
        experiment: Experiment,
        runs: Runs,
        sources: tuple[Artifacts, Curves, Written],
        lookup: Lookup,
        advance: Callable[[str], None],
        older: Mapping[str, Found],
    ) -> None:
        self._experiment = experiment
        self._advance = advance
        self._runs = runs
        self._artifacts, self._curves, self._told = sources
        self._lookup = lookup
        self._older = older
        self._written = self._already = self._failed = 0
        self._ids: dict[str, str] = {}
        self._looked: set[int] = set()
        self._points: dict[int, list[tuple[int, int, Mapping[str, float]]]] = {}

    def write(
        self,
        entries: Sequence[Entry],
        start: int,
        story: Story,
        campaigns: dict[int, str],
        progress: Progress,
    ) -> SyncReport:
        """Mirror `entries[start:]`.

        Args:
            entries: The whole ledger.
            start: First entry that is not mirrored yet.
            story: Told up to `start`; told the rest here.
            campaigns: Campaign number -> id of its run; filled here.
            progress: Told what is done.
        """
        self._campaigns = campaigns
        self._story = story
        for index in range(start, len(entries)):
            story.apply(entries[index])
            self._one(entries[index])
            if (index - start) % CHUNK == CHUNK - 1:
                self._flush(entries[index].commit)
            progress(index + 1, len(entries))
        if start < len(entries):
            self._flush(entries[-1].commit)
        return SyncReport(written=self._written, already=self._already, failed=self._failed)

    def _one(self, entry: Entry) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._mirror(entry)
        except (ValueError, OverflowError) as error:
            self._refused(entry, error)
        except MlflowException as error:
            if error.error_code != "INVALID_PARAMETER_VALUE":
                raise
            self._refused(entry, error)

    def _refused(self, entry: Entry, error: Exception) -> None:
        self._failed += 1
        _log.warning("The ledger record %s cannot be shown in MLflow: %s", entry.commit[:12], error)

    def _mirror(self, entry: Entry) -> None:
        record = entry.record
        if isinstance(record, CampaignRecord):
            self._campaign(record)
        elif isinstance(record, LockRecord):
            self._put(_drafts.baseline_draft(entry.commit, record), dict)
        elif isinstance(record, ConfirmationRecord):
            self._put(_drafts.confirmation_draft(entry.commit, record, self._metric), dict)
        elif isinstance(record, ImportRecord):
            self._put(_drafts.import_draft(entry.commit, record), lambda: self._files(record))
        elif isinstance(record, VerdictRecord):
            # What an idea did at its tiers stands in its verdict.
            self._idea(entry.commit, record)

    @property
    def _metric(self) -> str:
        return self._story.lock.metric if self._story.lock else "metric"

    def _idea(self, commit: str, record: VerdictRecord) -> None:
        draft = _drafts.idea_draft(commit, record, self._metric)
        if record.details:
            draft = _drafts.with_curves(draft, self._curves_of(record))
        self._put(draft, lambda: self._files(record))
        self._tell(record)
        curves = _drafts.curve_point(self._story, record.campaign, record)
        if record.holdout is not None:
            self._looked.add(record.campaign)
        # Not the idea's number: parallel ideas end in any order, and the best so far would seem to fall back.
        step = self._story.campaigns[record.campaign].ideas
        point = (step, _drafts.milliseconds(record.at), curves)
        self._points.setdefault(record.campaign, []).append(point)

    def _put(self, draft: Draft, files: Callable[[], Mapping[str, bytes | Path]]) -> None:
        found = self._lookup(draft.key)
        if found and found.finished:
            self._ids[draft.key] = found.run_id
            self._already += 1
            return
        older = self._older.get(draft.key)
        self._ids[draft.key] = self._runs.put(draft, found, files(), older.run_id if older else "")
        self._written += 1

    def _files(self, record: VerdictRecord | ImportRecord) -> Mapping[str, bytes | Path]:
        try:
            return self._artifacts(record)
        except Exception as error:  # noqa: BLE001 (numbers are mirrored even where files are lost)
            name = f"Idea {record.number:04d}" if isinstance(record, VerdictRecord) else "An import"
            _log.warning("%s is shown in MLflow without its files: %s", name, error)
            return {}

    def _curves_of(self, record: VerdictRecord) -> Mapping[int, Curve]:
        try:
            return self._curves(record)
        except Exception as error:  # noqa: BLE001 (the record is mirrored even where its curves are lost)
            _log.warning("Idea %04d is shown in MLflow without its curve: %s", record.number, error)
            return {}

    def _tell(self, record: VerdictRecord) -> None:
        try:
            self._told(record)
        except Exception as error:  # noqa: BLE001 (whoever listens cannot hold up the mirror)
            _log.warning("Idea %04d is in MLflow, but its listener failed: %s", record.number, error)

    def _campaign(self, record: CampaignRecord) -> None:
        run_id = self._campaign_run(record.campaign)
        if record.event == "closed":
            draft = _drafts.campaign_draft(record.campaign, self._story.tally(record))
            self._extend(record.campaign)
            self._runs.tag(run_id, {"lab.reason": clean(record.reason)})
            self._runs.end(run_id, _drafts.ended(draft, record.at))
        elif record.event == "revised":
            self._runs.resume(run_id)

    def _campaign_run(self, number: int) -> str:
        if number not in self._campaigns:
            draft = _drafts.campaign_draft(number, self._story.campaigns[number])
            found = self._lookup(draft.key)
            self._campaigns[number] = found.run_id if found else self._runs.put(draft, None, {})
        return self._campaigns[number]

    def _extend(self, number: int) -> None:
        points = self._points.pop(number, [])
        if points:
            self._runs.extend(self._campaign_run(number), points)
        if number in self._looked and self._story.lock is not None:
            self._looked.discard(number)
            chart = gap_chart(self._story.gaps, self._story.lock.metric)
            self._runs.attach(self._campaign_run(number), {"holdout.svg": chart.encode()})

    def _flush(self, commit: str) -> None:
        for number in tuple(self._points):
            self._extend(number)
        if self._story.lock is not None:
            self._experiment.describe(self._story.lock)
        champion = self._story.champion
        if champion is not None and champion.key in self._ids:
            self._experiment.crown(champion, self._ids[champion.key])
        self._ids.clear()
        self._advance(commit)
