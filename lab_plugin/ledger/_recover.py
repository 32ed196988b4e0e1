"""A transaction that was cut in half is finished from the ledger."""

from __future__ import annotations

from collections.abc import Sequence

from lab_plugin.ledger._chain import Entry
from lab_plugin.ledger._records import CampaignRecord, VerdictRecord
from lab_plugin.ledger._state import State
from lab_plugin.repository import RefChange, Repository


def recover(
    repository: Repository, lab: str, entries: Sequence[Entry], state: State, fence: Sequence[RefChange]
) -> list[str]:
    """See `Ledger.recover`."""
    changes: dict[str, RefChange] = {}
    mended: list[str] = []
    last = state.ideas.last()
    if last is not None:
        branch = f"refs/heads/{last.branch}"
        if repository.ref(branch) is None:
            changes[branch] = RefChange(branch, last.commit, "")
            mended.append(f"branch {last.branch} was missing")
    best = f"refs/heads/lab/{lab}/best"
    if state.champion is not None:
        now = repository.ref(best)
        if now != state.champion.commit and (now is None or now == _champion_before(entries)):
            changes[best] = RefChange(best, state.champion.commit, now or "")
            mended.append(f"lab/{lab}/best was not yet at the champion, idea {state.champion.number}")
    prefix = f"refs/lab/{lab}/open/"
    for ref, oid in repository.refs(prefix).items():
        number = ref.removeprefix(prefix).partition("-")[0]
        if number.isdecimal() and int(number) in state.ideas:
            changes[ref] = RefChange(ref, None, oid)
            mended.append(f"idea {int(number)} was still open after its verdict")
    if changes:
        repository.update_refs([*changes.values(), *fence])
    return mended


def _champion_before(entries: Sequence[Entry]) -> str | None:
    """The champion's commit before the newest record that moved it."""
    moves = (
        entry.record.commit
        for entry in reversed(entries)
        if not isinstance(entry.record, CampaignRecord)
        and not (isinstance(entry.record, VerdictRecord) and entry.record.verdict != "kept")
    )
    next(moves, None)
    return next(moves, None)
