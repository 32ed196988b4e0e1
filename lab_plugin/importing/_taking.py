"""`lab import`: what was tried elsewhere, read whole, and written into the ledger at once or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from lab_plugin.errors import ImportingError, LockError
from lab_plugin.importing._files import no_metric
from lab_plugin.importing._fitting import Fitting
from lab_plugin.importing._limits import ROWS
from lab_plugin.importing._mapping import Mapper
from lab_plugin.importing._opening import open_source
from lab_plugin.importing._reading import Form, Reading, Unfinished, Wish
from lab_plugin.importing._row import BadRow, Row
from lab_plugin.importing._stored import read_rows, store_rows
from lab_plugin.lab import Lab
from lab_plugin.lab_branches import mend_branches
from lab_plugin.ledger import Goal, ImportRecord, LockRecord, State
from lab_plugin.repository import Lease
from lab_plugin.timestamps import utc_now

_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """What an import did, or would do.

    Attributes:
        source: Where it came from.
        form: What it is.
        metric: What the source calls its values; "" when it does not say.
        goal: Which way they are better.
        comparable: They count as on the scale of the lab's metric.
        rows: Readable ones, repeated ones once.
        new: Of these, those that were not imported before.
        valued: Of these, those with a value.
        fitting: Of these, points of the search space.
        told: Of these, those that optimisers start from.
        elsewhere: Rows with parameters that are no point of the search space.
        unfinished: Left out: they have no end yet, or are no tries.
        repeated: Rows that say what another one says.
        bad: Rows that could not be read.
        why_untold: Why optimisers are not told of values; "" when they are.
        ledger_commit: Of the record; "" when nothing was written.
    """

    source: str
    form: Form
    metric: str
    goal: Goal
    comparable: bool
    rows: int
    new: int
    valued: int
    fitting: int
    told: int
    elsewhere: int
    unfinished: int
    repeated: int
    bad: tuple[BadRow, ...]
    why_untold: str = ""
    ledger_commit: str = ""


@dataclass(frozen=True)
class _Found:
    """What a source holds."""

    reading: Reading
    rows: Mapping[str, Row]
    bad: tuple[BadRow, ...]
    unfinished: int
    repeated: int


def import_history(
    lab: Lab, wish: Wish, *, trust: bool = False, skip_bad: bool = False, dry_run: bool = False
) -> ImportReport:
    """Take in what was tried elsewhere, as prior knowledge for proposers and nothing else.

    What was imported before is not imported again.

    Args:
        lab: A locked lab.
        wish: What is to be imported.
        trust: Its values are on the scale of the lab's metric, whatever the source calls them.
        skip_bad: Leave out what cannot be read, instead of importing nothing.
        dry_run: Write nothing, and only tell.

    Raises:
        ImportingError: It cannot be read, holds nothing, or its values are better the other way.
        LockError: The lab is not locked.
        LeaseHeld: A campaign runs.
    """
    lock = _require_lock(lab.ledger.state())
    found = _read(lab, wish)
    if found.bad and not (skip_bad or dry_run):
        raise _bad_rows(found)
    metric, goal = found.reading.metric, _goal(found.reading, wish, lock, trust)
    comparable, why = _judged(lock, metric, goal, trust)
    if not found.rows:
        raise ImportingError(f"{found.reading.source} holds no row to import.", "Name another source.")
    told = ImportReport(
        source=found.reading.source,
        form=found.reading.form,
        metric=metric,
        goal=goal,
        comparable=comparable,
        rows=len(found.rows),
        new=0,
        valued=0,
        fitting=0,
        told=0,
        elsewhere=0,
        unfinished=found.unfinished,
        repeated=found.repeated,
        bad=found.bad,
        why_untold=why,
    )
    if dry_run:
        return _counted(lab, told, _new(lab, lock, told, found.rows))
    return _write(lab, lock, told, found)


def _require_lock(state: State) -> LockRecord:
    if state.lock is None:
        raise LockError(
            "The lab is not locked yet, and has no metric to hold history against.", "Run `lab lock`."
        )
    return state.lock


def _read(lab: Lab, wish: Wish) -> _Found:
    space = lab.config.search_space.parameters if lab.config.search_space else {}
    metric = wish.metric or lab.config.scorer.metric
    mapper = Mapper(metric=metric, space=frozenset(space), redact=lab.redactor.text)
    rows: dict[str, Row] = {}
    bad: list[BadRow] = []
    unfinished = repeated = 0
    with open_source(wish, mapper, lab.key) as reading:
        for row in reading.rows:
            if isinstance(row, BadRow):
                bad.append(row)
            elif isinstance(row, Unfinished):
                unfinished += 1
            elif row.key in rows:
                repeated += 1
            else:
                rows[row.key] = row
            if len(rows) + len(bad) > ROWS:
                raise ImportingError(f"{reading.source} has more than {ROWS} rows.", "Import a part of it.")
    if rows and reading.form in ("jsonl", "mlflow") and not mapper.found:
        raise no_metric(
            reading.source, metric, "key" if reading.form == "jsonl" else "metric", tuple(mapper.names)
        )
    return _Found(reading, rows, tuple(bad), unfinished, repeated)


def _goal(reading: Reading, wish: Wish, lock: LockRecord, trust: bool) -> Goal:
    if reading.goal is not None and wish.goal is not None and reading.goal != wish.goal:
        raise ImportingError(
            f"{reading.source} says {reading.goal}, and --goal says {wish.goal}.", "Leave --goal out."
        )
    goal = reading.goal or wish.goal or lock.goal
    if goal != lock.goal and (trust or reading.metric == lock.metric):
        raise ImportingError(
            f"{reading.source} is better when {_way(goal)}, and the lab's {lock.metric} when "
            f"{_way(lock.goal)}: its values cannot be on the same scale.",
            "Give --metric the source's own name of its values, and no --trust-values: it is told as notes.",
        )
    return goal


def _way(goal: Goal) -> str:
    return "higher" if goal == "maximize" else "lower"


def _judged(lock: LockRecord, metric: str, goal: Goal, trust: bool) -> tuple[bool, str]:
    """Whether values are on the scale of the lab's metric, and else why not."""
    if trust or (metric == lock.metric and goal == lock.goal):
        return True, ""
    if not metric:
        return False, f"the source does not name its values; --trust-values says that they are {lock.metric}"
    return (
        False,
        f"its values are {metric}, not {lock.metric}; --trust-values says that they are on its scale",
    )


def _bad_rows(found: _Found) -> ImportingError:
    shown = "\n".join(f"  {row}" for row in found.bad[:_SHOWN])
    more = f"\n  and {len(found.bad) - _SHOWN} more" if len(found.bad) > _SHOWN else ""
    return ImportingError(
        f"{found.reading.source} has {len(found.bad)} rows that cannot be read; nothing was imported:\n"
        f"{shown}{more}",
        "Mend them, or leave them out with --skip-bad.",
    )


def _new(lab: Lab, lock: LockRecord, told: ImportReport, rows: Mapping[str, Row]) -> tuple[Row, ...]:
    """The rows that no import of this epoch has told of in the same way."""
    known: set[str] = set()
    wanted = (lock.epoch, told.metric, told.goal, told.comparable)
    for record in lab.ledger.state().imports:
        if (record.epoch, record.metric, record.goal, record.comparable) == wanted:
            known.update(row.key for row in read_rows(lab.repository, record))
    return tuple(row for key, row in rows.items() if key not in known)


def _counted(lab: Lab, told: ImportReport, rows: Iterable[Row]) -> ImportReport:
    rows = tuple(rows)
    fitting = Fitting(lab.config.search_space.parameters if lab.config.search_space else {})
    points = [row for row in rows if fitting.point(row.params) is not None]
    starts = [row for row in points if row.value is not None] if told.comparable else []
    return replace(
        told,
        new=len(rows),
        valued=sum(row.value is not None for row in rows),
        fitting=len(points),
        told=len(starts),
        elsewhere=sum(bool(row.params) for row in rows) - len(points),
    )


def _write(lab: Lab, lock: LockRecord, told: ImportReport, found: _Found) -> ImportReport:
    with Lease.acquire(lab.repository, lab.lease_ref, "lab import") as lease:
        mend_branches(lab, lease)
        lab.ledger.require_signing()
        if lab.ledger.state().lock != lock:
            raise ImportingError("The lab was locked anew meanwhile.", "Run `lab import` again.")
        rows = _new(lab, lock, told, found.rows)
        report = _counted(lab, told, rows)
        if not rows:
            return report
        stored = store_rows(lab.repository, rows)
        record = ImportRecord(
            at=utc_now(),
            epoch=lock.epoch,
            source=lab.redactor.text(told.source)[:500],
            form=told.form,
            metric=told.metric[:250],
            goal=told.goal,
            comparable=told.comparable,
            rows=len(rows),
            valued=report.valued,
            skipped=len(found.bad),
            digest=stored.digest,
            tree=stored.tree,
        )
        entry = lab.ledger.append(record, candidate=None, tree=stored.tree, changes=[lease.fence()])
        return replace(report, ledger_commit=entry.commit)
