"""An idea, scored again from git alone, with the scorer and the configuration of its epoch."""

from __future__ import annotations

from lab_plugin.epoch import Epoch, load_epoch
from lab_plugin.errors import LabError, LedgerError
from lab_plugin.lab import Lab
from lab_plugin.ledger import LockRecord, VerdictRecord
from lab_plugin.lookup import find_idea
from lab_plugin.rescore import rescoring
from lab_plugin.scorer import differences
from lab_plugin.verification._compare import Rerun, Subject, compare, compare_stopped
from lab_plugin.verification._sealed import score_sealed_again
from lab_plugin.verification._tiers import score_tier_again, subjects_of, subjects_of_lock


async def verify_idea(lab: Lab, text: str) -> Rerun:
    """Score an idea again; `best` is the champion as the current epoch scored it, be it the baseline.

    That is done at every tier at which the ledger has it, on the seeds that it has there; at the tier that
    decides, on the first seed.

    Where the ledger has a hold-out of it, that is scored again too; no look of a campaign is spent.

    Raises:
        LabError: There is no such idea, or its epoch cannot be read.
        SandboxUnavailable: The sandbox broke.
    """
    subject = _subject(lab, text)
    if isinstance(subject, VerdictRecord) and subject.pruned is not None:
        explanation = f"its run was ended early, and it has no score to compare with: {subject.reason}"
        return Rerun(subject.number, None, None, True, explanation)
    if isinstance(subject, VerdictRecord):
        explanation = f"nothing of it was run, then or now: {subject.verdict}, {subject.reason}"
        return Rerun(subject.number, None, None, True, explanation)
    epoch = load_epoch(lab, subject.lock)
    then = _as_it_was(lab, epoch)
    changes = _changes(then, epoch)
    lock, record = subject.lock, subject.record
    if record is None:
        known = subjects_of_lock(epoch, lock)
    else:
        known = subjects_of(lab.ledger.state(), epoch, record)
    tiers = tuple(
        [
            await score_tier_again(then, epoch, lock, subject.tree, subject.number, each, bool(changes))
            for each in known
        ]
    )
    if record is not None and (record.tier in lock.tiers or _unscored(record)):
        return compare_stopped(record, epoch, changes, tiers)
    sandbox = then.sandbox()
    try:
        await sandbox.probe()
        runner = then.runner_of(sandbox, epoch.snapshot, epoch.lock.terms.files)
        runner = runner.with_tests(lock.tests)
        async with rescoring(then, runner, subject.tree, subject.number) as found:
            sealed = await score_sealed_again(then, sandbox, epoch, subject.tree, subject.holdout, found)
    finally:
        await sandbox.close()
    return compare(subject, found.score, epoch, changes, sealed, tiers)


def _subject(lab: Lab, text: str) -> Subject | VerdictRecord:
    """What to score; a verdict of which nothing ever ran to its end is returned as it is."""
    state = lab.ledger.state()
    champion, lock = state.champion, state.lock
    if text == "best" and champion is not None and lock is not None and champion.commit == lock.commit:
        tree = lab.repository.tree_of(lock.commit)
        return Subject(
            champion.number,
            tree,
            lock.value,
            lock.metrics,
            lock,
            "",
            "the champion at the lock",
            lock.holdout,
        )
    record = find_idea(lab, text)
    lock = _lock_record(lab, record.epoch)
    ran = record.value is not None or record.sandbox or record.duplicate_of is not None
    ran = ran and record.pruned is None
    if not ran and not any(state.results.get(record.epoch, record.number, tier) for tier in lock.tiers):
        return record
    # A value may be a mean over several seeds; the metrics are those of the first.
    first = record.metrics.get(lock.metric, record.value)
    return Subject(
        record.number,
        record.tree,
        first,
        record.metrics,
        lock,
        record.sandbox,
        record.verdict,
        record.holdout,
        None if first == record.value else record.value,
        record,
    )


def _unscored(record: VerdictRecord) -> bool:
    """Whether it was ended, by a pruner or the owner, before its trial could give it a score."""
    return record.value is None and record.verdict not in ("crashed", "rejected")


def _as_it_was(lab: Lab, epoch: Epoch) -> Lab:
    """The lab with the configuration and the images of an epoch."""
    environment = epoch.lock.terms.environment
    image, tiers = environment.get("image"), environment.get("tiers", {})
    images = {name: str(each["image"]) for name, each in tiers.items() if each.get("image")}
    # What the machine has that locked it is not what this one has.
    config = epoch.config.model_copy(update={"resources": lab.config.resources})
    return Lab(config, lab.repository, lab.home, image=str(image) if image else None, images=images)


def _lock_record(lab: Lab, epoch: int) -> LockRecord:
    for entry in lab.ledger.records():
        if isinstance(entry.record, LockRecord) and entry.record.epoch == epoch:
            return entry.record
    raise LedgerError(f"The ledger has no lock of epoch {epoch}.", "Run `lab verify`.")


def _changes(then: Lab, epoch: Epoch) -> tuple[str, ...]:
    """What a score depends on and git does not hold: data and the environment."""
    locked = epoch.lock.terms
    try:
        found = then.terms("now")
    except LabError as error:
        return (f"what is here cannot be read: {error.message}",)
    now = {"data": found.data, "holdout_data": found.holdout_data, "environment": found.environment}
    return differences(locked, locked.model_copy(update=now))
