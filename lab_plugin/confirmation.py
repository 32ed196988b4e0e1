"""What improvement is really there: champion and baseline side by side, on seeds that nothing saw before."""

from __future__ import annotations

from lab_plugin.comparison import RunRepeat, noise_of
from lab_plugin.decision import Noise, Pairs, confirm, confirmation_seed
from lab_plugin.errors import LabError
from lab_plugin.lab import Lab
from lab_plugin.lab_branches import not_locked
from lab_plugin.ledger import ConfirmationRecord, LockRecord, State
from lab_plugin.repository import Lease
from lab_plugin.timestamps import utc_now

_FAILURES = 3


def needs_confirmation(state: State) -> bool:
    """Whether there is a champion other than the baseline whose improvement was not confirmed yet."""
    champion, done = state.champion, state.confirmation
    if champion is None or champion.number == 0:
        return False
    return done is None or done.champion != champion.number


async def confirm_champion(
    lab: Lab, lease: Lease, run: RunRepeat, repeats: int, campaign: int = 0
) -> ConfirmationRecord:
    """Run champion and baseline on fresh seeds, and write what came of it to the ledger.

    The scorer is the one in force for both, so that a lab that was locked anew has a fair comparison too. A
    scorer without noise is asked once. The hold-out's values are those that the ledger has: no look is spent.

    Args:
        lab: A locked lab.
        lease: Held.
        run: Runs a repeat.
        repeats: Seeds, 1 or more.
        campaign: Number of the campaign that ends; 0 for none.

    Raises:
        LabError: The champion is the baseline, or one of the two has no score.
        SandboxUnavailable: The sandbox broke.
    """
    state = lab.ledger.state()
    champion, lock = state.champion, state.lock
    if champion is None or lock is None or champion.number == 0:
        raise LabError("There is nothing to confirm: the champion is the baseline.", "Run a campaign first.")
    started = first_lock(lab)
    noise = noise_of(lock.noise[lock.metric]) if lock.metric in lock.noise else Noise(sd=0.0)
    wanted = 1 if noise.deterministic else repeats
    pairs = await _pairs(
        lab, run, (champion.number, champion.commit), started.commit, state.confirmed, wanted
    )
    confidence = lab.config.decision.confidence
    values = Pairs(tuple(ours for _, ours, _ in pairs), tuple(theirs for _, _, theirs in pairs))
    shown = confirm(noise, values, confidence)
    record = ConfirmationRecord(
        at=utc_now(),
        campaign=campaign,
        epoch=lock.epoch,
        champion=champion.number,
        commit=champion.commit,
        baseline=started.commit,
        seeds=tuple(seed for seed, _, _ in pairs),
        candidate=values.candidate,
        against=values.champion,
        difference=shown.difference,
        low=shown.low,
        high=shown.high,
        confidence=shown.confidence,
        holdout=champion.holdout,
        holdout_baseline=_sealed(started, lock),
    )
    lab.ledger.append(record, candidate=record.commit, changes=[lease.fence()])
    return record


def first_lock(lab: Lab) -> LockRecord:
    """The newest lock that scored no idea: what the lab started from.

    Raises:
        LabError: The lab was never locked.
    """
    locks = [entry.record for entry in lab.ledger.records() if isinstance(entry.record, LockRecord)]
    found = next((lock for lock in reversed(locks) if lock.champion == 0), None)
    if found is None:
        raise not_locked(lab)
    return found


def confirmation_sentence(record: ConfirmationRecord, metric: str, goal: str) -> str:
    """What a confirmation says, in one sentence."""
    pairs = Pairs(record.candidate, record.against)
    seeds = "1 fresh seed" if len(record.seeds) == 1 else f"{len(record.seeds)} fresh seeds"
    text = f"{metric} {pairs.value:.6g} against the baseline's {pairs.reference:.6g} on {seeds}"
    if record.difference is not None:
        text += f": a difference of {record.difference:+.6g}"
    if record.low is not None and record.high is not None and record.confidence is not None:
        text += f" ({100 * record.confidence:g} % interval {record.low:+.4g} to {record.high:+.4g})"
    if record.holdout is not None and record.holdout_baseline is not None:
        text += f"; on the hold-out {record.holdout:.6g} against {record.holdout_baseline:.6g}"
    return f"{text}; {_judged(record, goal)}"


def _judged(record: ConfirmationRecord, goal: str) -> str:
    sign = 1 if goal == "maximize" else -1
    gains = [sign * (ours - theirs) for ours, theirs in zip(record.candidate, record.against, strict=True)]
    if record.confidence is None:
        return "improvement confirmed" if gains[0] > 0 else "no improvement"
    worst = record.low if sign == 1 else record.high
    if worst is not None and sign * worst > 0:
        return "improvement confirmed"
    return "improvement not shown by these seeds alone" if sum(gains) > 0 else "no improvement"


async def _pairs(
    lab: Lab, run: RunRepeat, champion: tuple[int, str], baseline: str, used: int, wanted: int
) -> list[tuple[int, float, float]]:
    pairs: list[tuple[int, float, float]] = []
    trees = [lab.repository.tree_of(commit) for commit in (champion[1], baseline)]
    failures = 0
    while len(pairs) < wanted:
        seed = confirmation_seed(lab.config.decision.seed, used + len(pairs) + failures)
        ours = await run(champion[0], trees[0], None, seed)
        theirs = await run(0, trees[1], None, seed)
        if ours.value is not None and theirs.value is not None:
            pairs.append((seed, ours.value, theirs.value))
            continue
        failures += 1
        if failures >= _FAILURES:
            what, score = ("champion", ours) if ours.value is None else ("baseline", theirs)
            raise LabError(f"The {what} has no score on seed {seed}: {score.reason}", "Look at the scorer.")
    return pairs


def _sealed(started: LockRecord, lock: LockRecord) -> float | None:
    """The baseline's hold-out value, where it was taken with the scorer in force."""
    found = started.holdout
    return found.value if found is not None and started.epoch == lock.epoch else None
