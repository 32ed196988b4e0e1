"""`lab lock`: agree on the scorer, score the champion with it, and open an epoch."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lab_plugin.config import check_committed
from lab_plugin.epoch import lock_of, store_epoch
from lab_plugin.errors import LockError
from lab_plugin.lab import Lab
from lab_plugin.ledger import LockRecord, State
from lab_plugin.repository import Lease, RefChange
from lab_plugin.rescore import Rescoring, score_tree
from lab_plugin.sandbox import Sandbox
from lab_plugin.scorer import FILE_NAME, Terms, differences, read_lock, store_snapshot
from lab_plugin.timestamps import utc_now


@dataclass(frozen=True)
class Locking:
    """What `lab lock` did.

    Attributes:
        record: The lock in force now.
        opened: A new epoch was opened.
        changes: What changed since the last epoch, one line each.
    """

    record: LockRecord
    opened: bool
    changes: tuple[str, ...]


async def lock_lab(lab: Lab, sandbox: Sandbox, reason: str = "", baseline: str = "") -> Locking:
    """Lock the scorer.

    Args:
        lab: The lab.
        sandbox: Where the champion is scored.
        reason: Why a further epoch is opened; needed for every one but the first.
        baseline: A revision to start from; "" for the champion, or HEAD when there is none yet.

    Raises:
        LockError: A reason is needed and missing, or the commit does not score, or the ledger is that of
            a lab in another folder and no baseline is given.
        ConfigError: The candidate's paths are not as configured in that commit.
        RepositoryError: The champion's branch is not at the champion.
        LeaseHeld: A campaign runs.
    """
    with Lease.acquire(lab.repository, lab.lease_ref, "lab lock") as lease:
        lab.mend(lease)
        state = lab.ledger.state()
        if state.lock is not None and not baseline:
            lab.require_own(state.lock)
        terms = lab.terms()
        if state.lock is not None and state.lock.digest == terms.digest() and not baseline:
            _write_lock(lab, terms, state.lock)
            return Locking(state.lock, opened=False, changes=())
        changes = _require_reason(lab, state, terms, reason)
        record = await _open_epoch(lab, sandbox, state, terms, reason or "first lock", baseline)
        best = state.champion.commit if state.champion else ""
        lab.ledger.append(
            record,
            candidate=record.commit,
            tree=record.tree,
            changes=[
                lease.fence(),
                RefChange(lab.best_ref, record.commit, best),
            ],
        )
        _write_lock(lab, terms, record)
        return Locking(record, opened=True, changes=changes)


async def probe_baseline(lab: Lab, sandbox: Sandbox, commit: str) -> Rescoring:
    """Score a commit with the scorer as it is now, locked or not; nothing is recorded.

    Raises:
        LockError: The scorer's files cannot be read.
        SandboxUnavailable: The sandbox broke.
    """
    terms = lab.terms()
    tree = store_snapshot(lab.repository, lab.config.folder, terms.files)
    runner = lab.runner_of(sandbox, tree, terms.files)
    return await score_tree(lab, runner, lab.repository.tree_of(commit))


async def _open_epoch(
    lab: Lab, sandbox: Sandbox, state: State, terms: Terms, reason: str, baseline: str
) -> LockRecord:
    lab.require_branches()
    champion = None if baseline else state.champion
    if champion is not None:
        commit = champion.commit
    else:
        commit = lab.repository.resolve(baseline) if baseline else lab.repository.head()
    check_committed(lab.config, lab.repository.entries(lab.repository.tree_of(commit)), lab.directory)
    tree = store_snapshot(lab.repository, lab.config.folder, terms.files)
    runner = lab.runner_of(sandbox, tree, terms.files)
    score = (await score_tree(lab, runner, lab.repository.tree_of(commit))).score
    if score.value is None:
        what = "champion" if champion else "baseline"
        raise LockError(
            f"The {what} {commit[:12]} has no score: {score.reason}",
            "Nothing was locked. Mend the candidate or the scorer; `lab check` runs the same.",
        )
    record = LockRecord(
        at=utc_now(),
        lab=lab.name,
        directory=lab.directory,
        epoch=state.lock.epoch + 1 if state.lock else 1,
        reason=reason,
        digest=terms.digest(),
        metric=lab.config.scorer.metric,
        goal=lab.config.scorer.goal,
        commit=commit,
        tree="",
        value=score.value,
        metrics=dict(score.metrics),
        champion=champion.number if champion else 0,
    )
    return record.model_copy(update={"tree": store_epoch(lab, record, terms, tree)})


def _require_reason(lab: Lab, state: State, terms: Terms, reason: str) -> tuple[str, ...]:
    if state.lock is None:
        return ()
    try:
        changes = differences(read_lock(lab.config.folder / FILE_NAME).terms, terms)
    except LockError:
        changes = (f"{FILE_NAME} is missing or damaged",)
    if not reason:
        shown = "\n".join(f"  {line}" for line in changes[:20])
        raise LockError(
            f"The lab is locked (epoch {state.lock.epoch}); a new epoch needs a reason.\n{shown}",
            "Run `lab lock --reason '...'`; scores of different epochs are never compared.",
        )
    return changes


def _write_lock(lab: Lab, terms: Terms, record: LockRecord) -> None:
    target = lab.config.folder / FILE_NAME
    data = lock_of(record, terms).to_bytes()
    if target.is_file() and target.read_bytes() == data:
        return
    descriptor, partial = tempfile.mkstemp(prefix=f".{FILE_NAME}-", dir=lab.config.folder)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        os.chmod(partial, 0o644)
        os.replace(partial, target)
    except OSError:
        Path(partial).unlink(missing_ok=True)
        raise
