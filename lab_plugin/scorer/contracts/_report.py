"""What a test-suite reported, held against the exact set of tests that was locked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from lab_plugin.scorer._scorecard import MAX_NAME, MAX_SAMPLES, Sample, Scorecard
from lab_plugin.scorer.contracts._answers import AnswerFault, canonical_json

_LISTS = ("collected", "deselected", "errors")
_PASSED = frozenset({"passed", "xpassed"})
_FAILED = frozenset({"failed", "error", "skipped", "xfailed"})
_SHOWN = 10
_FEEDBACK_IDS = 50


class ReportFault(ValueError):
    """The report cannot be judged; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a run of the tests reported.

    Attributes:
        collected: Ids of the tests that were to be run, in order.
        deselected: Ids that were left out.
        errors: Files that could not be collected.
        results: Id and outcome of each test that was run, in order.
    """

    collected: tuple[str, ...]
    deselected: tuple[str, ...]
    errors: tuple[str, ...]
    results: tuple[tuple[str, str], ...]


def parse_report(data: bytes) -> Report:
    """Read a report.

    Raises:
        ReportFault: It is none.
    """
    try:
        document, _ = canonical_json(data)
    except AnswerFault as fault:
        raise ReportFault(f"the tests' report: {fault}") from None
    if not isinstance(document, dict) or set(document) != {*_LISTS, "results"}:
        raise ReportFault(f"the tests' report has not the keys {', '.join((*_LISTS, 'results'))}")
    for name in _LISTS:
        if not _are_texts(document[name]):
            raise ReportFault(f"the tests' report: {name!r} is no list of texts")
    results = document["results"]
    if not isinstance(results, list) or not all(_are_texts(item) and len(item) == 2 for item in results):
        raise ReportFault("the tests' report: 'results' is no list of [id, outcome]")
    for name, outcome in results:
        if outcome not in _PASSED | _FAILED:
            raise ReportFault(f"test {name}: {outcome[:40]!r} is no outcome")
    return Report(
        collected=tuple(document["collected"]),
        deselected=tuple(document["deselected"]),
        errors=tuple(document["errors"]),
        results=tuple((name, outcome) for name, outcome in results),
    )


def collected_ids(report: Report) -> tuple[str, ...]:
    """The ids to lock, sorted.

    Raises:
        ReportFault: There are none, too many, or some that cannot name a test.
    """
    _require_whole(report)
    if not report.collected:
        raise ReportFault("no test was collected")
    if len(report.collected) > MAX_SAMPLES:
        raise ReportFault(f"more than {MAX_SAMPLES:,} tests were collected")
    if odd := [
        name for name in report.collected if not name or len(name) > MAX_NAME or not name.isprintable()
    ]:
        raise ReportFault(
            f"a test's id has 1 to {MAX_NAME} printable characters, and not {odd[0][:80]!r}; give the "
            "parameters ids of their own"
        )
    return tuple(sorted(report.collected))


def judge(report: Report, locked: Iterable[str]) -> Scorecard:
    """Score a run of the tests by what each locked test did.

    A test passes with the outcome `passed`, or `xpassed` where it was expected to fail; `failed`, `error`,
    `skipped` and `xfailed` all count as failed.

    Args:
        report: Of the run.
        locked: Ids as they were collected when the scorer was locked.

    Raises:
        ReportFault: A locked test is missing or was deselected, or one was collected or run that is not
            locked or came twice.
    """
    wanted = set(locked)
    _require_whole(report)
    _require_same(wanted, report.collected, "not collected", "collected, but not locked")
    ran = [name for name, _ in report.results]
    _require_unique(ran, "run twice")
    _require_same(wanted, ran, "not run to its end", "run, but not locked")
    samples = [Sample(name, float(outcome in _PASSED)) for name, outcome in sorted(report.results)]
    passed, total = sum(sample.score for sample in samples), float(len(samples))
    metrics = {"passed": passed, "failed": total - passed, "total": total, "pass_rate": passed / total}
    return Scorecard(metrics, tuple(samples), _feedback(samples))


def _require_whole(report: Report) -> None:
    if report.errors:
        raise ReportFault(f"cannot be collected: {_some(report.errors)}")
    if report.deselected:
        raise ReportFault(f"test deselected: {_some(report.deselected)}")
    _require_unique(report.collected, "collected twice")


def _require_unique(names: Iterable[str], what: str) -> None:
    if twice := sorted(name for name, count in Counter(names).items() if count > 1):
        raise ReportFault(f"test {what}: {_some(twice)}")


def _require_same(wanted: set[str], found: Iterable[str], missing: str, extra: str) -> None:
    given = set(found)
    if lost := sorted(wanted - given):
        raise ReportFault(f"test {missing}: {_some(lost)}")
    if more := sorted(given - wanted):
        raise ReportFault(f"test {extra}: {_some(more)}")


def _feedback(samples: list[Sample]) -> str:
    failed = [sample.id for sample in samples if not sample.score]
    text = f"{len(samples) - len(failed)} of {len(samples)} tests passed"
    if not failed:
        return text
    more = f" and {len(failed) - _FEEDBACK_IDS} more" if len(failed) > _FEEDBACK_IDS else ""
    return f"{text}; failed: {', '.join(failed[:_FEEDBACK_IDS])}{more}"


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return ", ".join(name[:MAX_NAME] for name in listed[:_SHOWN]) + more


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
