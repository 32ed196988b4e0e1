"""The one way by which a proposer learns of a scoring: `[feedback]`, applied to the ledger's records.

What is told is built from what the rule names, and not cut out of what people read: the reason of a scored
idea may speak of a hold-out, and is never passed on. Texts are what a candidate or a scorer wrote. They are
data: without control and invisible characters, without secrets, and bounded.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from lab_plugin.details import Details, read_curves, read_details
from lab_plugin.lab import Lab
from lab_plugin.ledger import Point, TierRecord, VerdictRecord
from lab_plugin.proposers import Outcome, clean_block, clean_line
from lab_plugin.samples import worst_first
from lab_plugin.scorer import Sample

NEWEST = 200
"""Texts and samples are told of that many ideas; numbers and verdicts of all."""

_REASON = 500
_OWN = 2_000
_FEEDBACK = 8_000
_CURVE = 100


class Feedback:
    """Applies a lab's `[feedback]`.

    Args:
        lab: The lab.
    """

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._rule = lab.config.feedback
        self._public = re.compile("|".join(map(fnmatch.translate, self._rule.public)) or r"(?!)")

    def history(
        self, records: Iterable[VerdictRecord | TierRecord], epoch: int, after: int
    ) -> Iterator[Outcome]:
        """What may be told of an epoch, oldest first.

        Args:
            records: In the order of the ledger.
            epoch: Scores of other epochs cannot be compared and are left out.
            after: Ideas up to this number are hidden (a campaign that starts fresh).

        Raises:
            LedgerError: What a scoring said is missing from the repository.
        """
        told = [record for record in records if record.epoch == epoch and record.number > after]
        for position, record in enumerate(told):
            if isinstance(record, TierRecord):
                yield from self.screened(record)
            else:
                yield from self._outcomes(record, texts=position >= len(told) - NEWEST)

    def screened(self, record: TierRecord) -> list[Outcome]:
        """What may be told of an idea that has a value at a tier before the last, and no verdict yet.

        Of a batch, also the points that stay behind.
        """
        known = self._at_tiers(record)
        told = [self._left_behind(record, point) for point in record.points if point.tree != record.tree]
        if known:
            waiting = Outcome(number=record.number, params=record.params, verdict="", waits=True, tiers=known)
            told.append(waiting)
        return told

    def _at_tiers(self, record: TierRecord) -> dict[str, float]:
        """An idea's values up to a tier, the cheapest first."""
        if not self._rule.metric:
            return {}
        known: dict[str, float] = {}
        results = self._lab.ledger.state().results
        for tier in self._lab.config.screening:
            result = results.get(record.epoch, record.number, tier.name)
            if result is not None:
                known[tier.name] = result.value
            if tier.name == record.tier:
                break
        return known

    def _left_behind(self, record: TierRecord, point: Point) -> Outcome:
        told = point.value is not None and self._rule.metric
        return Outcome(
            number=record.number,
            params=point.params,
            verdict=_word(point.status) if self._rule.status else "",
            tiers={record.tier: point.value} if told and point.value is not None else {},
        )

    def of(self, record: VerdictRecord) -> list[Outcome]:
        """What may be told of one verdict: one outcome, or one per point of a batch.

        Raises:
            LedgerError: What its scoring said is missing from the repository.
        """
        return self._outcomes(record, texts=True)

    def _outcomes(self, record: VerdictRecord, *, texts: bool) -> list[Outcome]:
        details = self._details(record) if texts and record.details else Details()
        curves = self._curves(record) if texts and record.details else {}
        if not record.points:
            whole = Point(tree=record.tree, params=record.params, value=record.value, reason=record.reason)
            whole = whole.model_copy(update={"pruned": record.pruned})
            return [self._outcome(record, whole, record.verdict, details, curves.get(0, {}), record.tiers)]
        return [
            self._outcome(
                record, _at_its_mean(point, record), record.verdict, details, curves.get(index, {}), {}
            )
            if point.tree == record.tree
            else self._outcome(record, point, _word(point.status), Details(), curves.get(index, {}), {})
            for index, point in enumerate(record.points)
        ]

    def _outcome(
        self,
        record: VerdictRecord,
        point: Point,
        verdict: str,
        details: Details,
        curve: Mapping[int, float],
        tiers: Mapping[str, float],
    ) -> Outcome:
        rule, pruned = self._rule, point.pruned
        if pruned is not None:
            # Also where the curve is not read, so that a proposer that starts anew learns the same.
            end = {} if pruned.value is None else {pruned.step: pruned.value}
            curve = {**curve, **end} if end else {}
        return Outcome(
            number=record.number,
            params=point.params,
            value=point.value if rule.metric else None,
            verdict=verdict if rule.status else "",
            title=clean_line(record.title, 200),
            reason=self._reason(record, point) if rule.status else "",
            feedback=details.feedback,
            stderr=details.stderr,
            samples=details.samples,
            tiers=dict(tiers) if rule.metric else {},
            pruned=pruned is not None and rule.status,
            curve=curve if rule.metric else {},
        )

    def _reason(self, record: VerdictRecord, point: Point) -> str:
        twin = "" if record.duplicate_of is None else f"duplicate of idea {record.duplicate_of}; "
        if point.pruned is not None and not self._rule.metric:
            # The whole reason tells values of curves.
            return f"{twin}pruned at step {point.pruned.step} by {point.pruned.pruner}"
        if record.tier in record.tiers and record.verdict == "reverted" and not self._rule.metric:
            # Where it stands there tells of values.
            return f"not promoted from the tier {record.tier}"
        if not record.sandbox and record.duplicate_of is None and not record.points:
            # Nothing ran: these are the proposer's own words, or the host's about its edit.
            return clean_block(self._lab.redactor.text(record.reason), _OWN)
        if point.value is None:
            # The first line is the host's own; what follows is the end of a program's stderr.
            first = (point.reason or record.reason).partition("\n")[0]
            return clean_line(self._lab.redactor.text(first), _REASON)
        if not self._rule.metric or record.champion_value is None:
            return twin
        return f"{twin}{point.value:.6g}, and the champion {record.champion_value:.6g}"

    def _details(self, record: VerdictRecord) -> Details:
        rule, redact = self._rule, self._lab.redactor.text
        wanted = rule.samples == "public"
        found = read_details(self._lab.repository, record.details, samples=wanted, only=self._public.match)
        stderr = clean_block(redact(found.stderr), rule.stderr_bytes) if rule.stderr == "tail" else ""
        feedback = clean_block(redact(found.feedback), _FEEDBACK) if rule.scorer_feedback else ""
        return Details(self._samples(found.samples, record.tier), feedback, stderr)

    def _curves(self, record: VerdictRecord) -> dict[int, Mapping[int, float]]:
        """Values by step, by the index of the point."""
        if not self._rule.metric:
            return {}
        found = read_curves(self._lab.repository, record.details)
        return {index: curve.thin(_CURVE).values for index, curve in found.items()}

    def _samples(self, samples: Iterable[Sample], tier: str) -> tuple[Sample, ...]:
        # At another tier the other way may be the better one.
        configs = {each.name: each.config for each in self._lab.config.tiers}
        shown = worst_first(samples, configs.get(tier, self._lab.config))[: self._rule.worst]
        redact = self._lab.redactor.text
        return tuple(replace(sample, note=clean_line(redact(sample.note), _REASON)) for sample in shown)


def _at_its_mean(point: Point, record: VerdictRecord) -> Point:
    """The point that was compared, at its mean over all seeds: it was picked by its first score."""
    return point if record.value is None else point.model_copy(update={"value": record.value})


def _word(status: str) -> str:
    return "reverted" if status in ("scored", "pruned") else status
