"""`lab verify`: is the ledger whole, and does an idea score again what it scored?"""

from __future__ import annotations

from dataclasses import dataclass

from lab_plugin.epoch import Epoch, load_epoch
from lab_plugin.errors import LedgerError
from lab_plugin.lab import Lab
from lab_plugin.ledger import LockRecord
from lab_plugin.lookup import find_idea
from lab_plugin.rescore import score_tree
from lab_plugin.scorer import differences


@dataclass(frozen=True)
class Rerun:
    """An idea scored again.

    Attributes:
        number: The idea.
        recorded: Its value in the ledger; None when it has none.
        found: Its value now; None when it has none.
        equal: The two agree to the last bit.
        explanation: One sentence.
    """

    number: int
    recorded: float | None
    found: float | None
    equal: bool
    explanation: str


def verify_ledger(lab: Lab) -> list[str]:
    """Every fault of the ledger and its refs, one line each; empty when all agrees."""
    return [str(problem) for problem in lab.ledger.verify()]


async def verify_idea(lab: Lab, text: str) -> Rerun:
    """Score an idea again from git alone, with the scorer and the configuration of its epoch.

    Raises:
        LabError: There is no such idea, or its epoch cannot be read.
        SandboxUnavailable: The sandbox broke.
    """
    record = find_idea(lab, text)
    if record.value is None and not record.sandbox and record.duplicate_of is None:
        explanation = f"nothing of it was run, then or now: {record.verdict}, {record.reason}"
        return Rerun(record.number, None, None, True, explanation)
    epoch = load_epoch(lab, _lock_record(lab, record.epoch))
    then = Lab(epoch.config, lab.repository, lab.home)
    sandbox = then.sandbox()
    try:
        await sandbox.probe()
        runner = then.runner_of(sandbox, epoch.snapshot, epoch.lock.terms.files)
        score = (await score_tree(then, runner, record.tree, record.number)).score
    finally:
        await sandbox.close()
    equal = score.value == record.value
    if record.value is None and equal:
        explanation = f"it had no score ({record.verdict}), and has none now"
    elif equal:
        explanation = f"scored again from git: {_shown(score.value)}, as recorded"
    else:
        why = f" ({score.reason})" if score.reason else ""
        changed = "".join(f"\n  since its lock: {line}" for line in _changes(then, epoch)[:20])
        explanation = f"recorded {_shown(record.value)}, found {_shown(score.value)}{why}{changed}"
    return Rerun(record.number, record.value, score.value, equal, explanation)


def _lock_record(lab: Lab, epoch: int) -> LockRecord:
    for entry in lab.ledger.records():
        if isinstance(entry.record, LockRecord) and entry.record.epoch == epoch:
            return entry.record
    raise LedgerError(f"The ledger has no lock of epoch {epoch}.", "Run `lab verify`.")


def _changes(then: Lab, epoch: Epoch) -> tuple[str, ...]:
    """What a score depends on and git does not hold: public data and the environment."""
    locked = epoch.lock.terms
    found = then.terms()
    return differences(
        locked, locked.model_copy(update={"data": found.data, "environment": found.environment})
    )


def _shown(value: float | None) -> str:
    return "no score" if value is None else repr(value)
