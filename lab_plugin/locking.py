"""`lab lock`: agree on the scorer, score the champion with it, and open an epoch."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from lab_plugin.calibration import calibrate
from lab_plugin.campaign import trial_params
from lab_plugin.comparison import noise_record
from lab_plugin.config import USAGE_METRICS, check_committed
from lab_plugin.details import store_score
from lab_plugin.epoch import load_lock, lock_of, store_epoch
from lab_plugin.errors import LabError, LockError
from lab_plugin.expected_lock import unexpected
from lab_plugin.holdout import HoldoutScore, find_overlaps, holdout_runner, score_holdout, store_holdout
from lab_plugin.idea import PlannedPoint
from lab_plugin.lab import Lab
from lab_plugin.lab_branches import came_without_ledger, mend_branches, not_locked, require_branches
from lab_plugin.ledger import Holdout, LockRecord, State
from lab_plugin.lock_in_force import require_own
from lab_plugin.repository import RefChange
from lab_plugin.rescore import Rescoring, score_tree, with_collected_tests
from lab_plugin.sandbox import Sandbox
from lab_plugin.scorer import FILE_NAME, Terms, differences, store_snapshot
from lab_plugin.sharing import held
from lab_plugin.tier_scores import score_tiers
from lab_plugin.timestamps import utc_now
from lab_plugin.whole_file import write_whole


@dataclass(frozen=True)
class Locking:
    """What `lab lock` did.

    Attributes:
        record: The lock in force now.
        opened: A new epoch was opened.
        changes: What changed since the last epoch, one line each.
        warnings: What makes the hold-out worth less than it seems, or keeps the lab from being run with this
            lock, one line each.
    """

    record: LockRecord
    opened: bool
    changes: tuple[str, ...]
    warnings: tuple[str, ...] = ()


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
    async with held(lab, "lab lock") as held_lab:
        lease = held_lab.lease
        mend_branches(lab, lease)
        lab.ledger.require_signing()
        state = lab.ledger.state()
        if not baseline and came_without_ledger(lab):
            missing = not_locked(lab)
            raise LockError(missing.message, f"{missing.remedy} To begin anew: `lab lock --baseline HEAD`.")
        if state.lock is not None and not baseline:
            require_own(lab, state.lock)
        changes: tuple[str, ...] = ()
        if state.lock is not None:
            terms = await asyncio.to_thread(lab.terms, "now")
            if state.lock.digest == terms.digest() and not baseline:
                _write_lock(lab, terms, state.lock)
                return Locking(state.lock, opened=False, changes=(), warnings=_warnings(lab, state.lock))
            changes = _require_reason(lab, state.lock, terms, reason)
        record, terms = await _open_epoch(lab, sandbox, state, reason or "first lock", baseline)
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
        return Locking(record, opened=True, changes=changes, warnings=_warnings(lab, record))


async def probe_baseline(lab: Lab, sandbox: Sandbox, commit: str, seeds: Sequence[int] = ()) -> Rescoring:
    """Score a commit with the scorer as it is now, locked or not; nothing is recorded.

    Args:
        lab: The lab.
        sandbox: Where.
        commit: It.
        seeds: On each of these, until it has no score; on that of `[decision]` where there is none.

    Returns:
        The last scoring.

    Raises:
        LockError: The scorer's files cannot be read.
        SandboxUnavailable: The sandbox broke.
    """
    files = lab.scorer_files()
    tree = store_snapshot(lab.repository, lab.config.folder, files)
    runner = await with_collected_tests(lab, lab.runner_of(sandbox, tree, files))
    first, *further = seeds or (lab.config.decision.seed,)
    found = await score_tree(lab, runner, lab.repository.tree_of(commit), seed=first)
    for seed in further:
        if found.score.value is not None:
            found = await score_tree(lab, runner, lab.repository.tree_of(commit), seed=seed)
    return found


async def probe_holdout(lab: Lab, sandbox: Sandbox, commit: str) -> HoldoutScore | None:
    """Score a commit on the hold-out as it is now, locked or not; None without one. Nothing is recorded.

    Raises:
        LockError: The scorer's or the hold-out's files cannot be read.
        SandboxUnavailable: The sandbox broke.
    """
    terms = lab.terms()
    return await _score_sealed(lab, sandbox, lab.repository.tree_of(commit), terms, store_holdout(lab, terms))


async def _open_epoch(
    lab: Lab, sandbox: Sandbox, state: State, reason: str, baseline: str
) -> tuple[LockRecord, Terms]:
    require_branches(lab)
    champion = None if baseline else state.champion
    if champion is not None:
        commit = champion.commit
    else:
        commit = lab.repository.resolve(baseline) if baseline else lab.repository.head()
    check_committed(lab.config, lab.repository.entries(lab.repository.tree_of(commit)), lab.directory)
    files = lab.scorer_files()
    tree = store_snapshot(lab.repository, lab.config.folder, files)
    runner = await with_collected_tests(lab, lab.runner_of(sandbox, tree, files))
    # Every file of the environment is read for the first lock; that takes seconds, and so may the candidate.
    measuring = asyncio.ensure_future(asyncio.to_thread(lab.terms, "trusted"))
    try:
        if any(name in USAGE_METRICS for name in lab.config.decision.metrics(lab.config.scorer.metric)):
            # What is measured by the clock is measured on a quiet machine.
            await asyncio.wait((measuring,))
        scoring = await score_tree(lab, runner, lab.repository.tree_of(commit))
    finally:
        await asyncio.wait((measuring,))
    terms, score = measuring.result(), scoring.score
    if terms.files != files:
        raise LockError("The scorer changed while it was locked.", "Run `lab lock` again.")
    what = "champion" if champion else "baseline"
    if score.value is None:
        raise LockError(
            f"The {what} {commit[:12]} has no score: {score.reason}",
            "Nothing was locked. Mend the candidate or the scorer; `lab check` runs the same.",
        )
    calibration = await calibrate(lab, runner, lab.repository.tree_of(commit), score)
    tiers, tests = await score_tiers(lab, sandbox, lab.repository.tree_of(commit), tree, files)
    holdout = store_holdout(lab, terms)
    sealed = await _score_sealed(lab, sandbox, lab.repository.tree_of(commit), terms, holdout)
    if sealed is not None and sealed.value is None:
        raise LockError(
            f"The {what} {commit[:12]} has no score on the hold-out: {sealed.reason}",
            "Nothing was locked. Mend [scorer.holdout] or the candidate; `lab check` runs the same.",
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
        tests=runner.tests,
        holdout=_baseline(score.value, sealed),
        seed=lab.config.decision.seed,
        calibration=dict(calibration.values),
        noise={name: noise_record(noise) for name, noise in calibration.noise.items()},
        detectable=calibration.detectable,
        tier=lab.config.tier,
        tiers=tiers,
        tests_of=tests,
    )
    details = store_score(lab, score, scoring.execution.stderr)
    stored = store_epoch(lab, record, terms, tree, details, holdout)
    return record.model_copy(update={"tree": stored}), terms


async def _score_sealed(
    lab: Lab, sandbox: Sandbox, tree: str, terms: Terms, holdout: str
) -> HoldoutScore | None:
    """Score a tree on the hold-out; None in a lab without one."""
    if not holdout:
        return None
    runner = holdout_runner(lab, sandbox, holdout, terms)
    params = trial_params(lab, PlannedPoint(tree=tree))
    return await score_holdout(lab, runner, tree, params, ran=None)


def _baseline(value: float, sealed: HoldoutScore | None) -> Holdout | None:
    if sealed is None or sealed.value is None:
        return None
    return Holdout(outcome="baseline", value=sealed.value, gap=value - sealed.value)


def _require_reason(lab: Lab, lock: LockRecord, terms: Terms, reason: str) -> tuple[str, ...]:
    """What changed since a lock; its file may be lost or of another version, git has what it held."""
    try:
        changes = differences(load_lock(lab, lock).terms, terms)
    except LabError as error:
        changes = (f"what was locked cannot be read back: {error.message}",)
    if not reason:
        shown = "\n".join(f"  {line}" for line in changes[:20])
        raise LockError(
            f"The lab is locked (epoch {lock.epoch}); a new epoch needs a reason.\n{shown}",
            "Run `lab lock --reason '...'`; scores of different epochs are never compared.",
        )
    return changes


def _warnings(lab: Lab, record: LockRecord) -> tuple[str, ...]:
    told = unexpected(lab.config, record)
    return (*find_overlaps(lab), *((told,) if told else ()))


def _write_lock(lab: Lab, terms: Terms, record: LockRecord) -> None:
    target = lab.config.folder / FILE_NAME
    data = lock_of(record, terms).to_bytes()
    if target.is_file() and target.read_bytes() == data:
        return
    write_whole(target, data, 0o644)
