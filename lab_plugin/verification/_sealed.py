"""The hold-out of an idea, scored again: whether it agrees, and never a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lab_plugin.config import USAGE_PREFIX
from lab_plugin.epoch import Epoch
from lab_plugin.holdout import holdout_runner, score_holdout
from lab_plugin.lab import Lab
from lab_plugin.ledger import Holdout
from lab_plugin.rescore import Rescoring
from lab_plugin.sandbox import Sandbox


@dataclass(frozen=True)
class SealedRerun:
    """A hold-out scored again.

    Attributes:
        outcome: `equal`; `measured`: its metric is measured anew each time, so it is not compared;
            `different`; `not_scored`: nothing could be compared, and the explanation says why.
        explanation: One line. It holds no number: what is printed may be read by who makes ideas.
    """

    outcome: Literal["equal", "measured", "different", "not_scored"]
    explanation: str

    @property
    def ok(self) -> bool:
        """Whether nothing speaks against the record."""
        return self.outcome != "different"


async def score_sealed_again(
    lab: Lab, sandbox: Sandbox, epoch: Epoch, tree: str, recorded: Holdout | None, found: Rescoring
) -> SealedRerun | None:
    """Score the hold-out of an idea again. No look of a campaign is spent on it.

    Args:
        lab: With the configuration of the epoch.
        sandbox: Where.
        epoch: Whose hold-out.
        tree: The idea's.
        recorded: What the ledger has of it.
        found: The public scoring, within `rescoring`.

    Returns:
        None where the ledger has no hold-out of the idea.

    Raises:
        LockError: The hold-out's files in git are not what was locked.
        SandboxUnavailable: The sandbox broke.
    """
    if recorded is None:
        return None
    if why := _obstacle(lab, epoch, recorded, found):
        return SealedRerun("not_scored", f"hold-out: not scored again: {why}")
    runner = holdout_runner(lab, sandbox, epoch.holdout, epoch.lock.terms)
    trial, ran = found.trial, (found.trial, found.execution)
    sealed = await score_holdout(lab, runner, tree, trial.params, ran, int(trial.idea))
    if sealed.value == recorded.value:
        how = "as recorded" if sealed.value is None else "as recorded, to the last bit"
        return SealedRerun("equal", f"hold-out: scored again, {how}")
    if sealed.value is not None and recorded.value is not None and _is_measured(epoch):
        return SealedRerun("measured", "hold-out: its metric is measured anew each time and not compared")
    gone = " and has no value now" if sealed.value is None else ""
    return SealedRerun("different", f"hold-out: scored again, it is not as recorded{gone}")


def _obstacle(lab: Lab, epoch: Epoch, recorded: Holdout, found: Rescoring) -> str:
    """Why it cannot be scored again; "" when it can."""
    rules = epoch.config.scorer.holdout
    if recorded.outcome == "unlooked":
        return "it was not scored then, as all looks were spent"
    if rules is None or not epoch.holdout:
        return "the ledger does not hold its files; run `lab verify`"
    if found.score.value is None:
        return "there is no public score now"
    if rules.data is not None and not (lab.config.folder / rules.data).exists():
        return f"its data {rules.data} is not on this machine"
    return ""


def _is_measured(epoch: Epoch) -> bool:
    scorer = epoch.config.scorer
    metric = scorer.holdout.metric if scorer.holdout is not None else None
    return (metric or scorer.metric).startswith(USAGE_PREFIX)
