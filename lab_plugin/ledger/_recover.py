"""A transaction that was cut in half is finished from the ledger."""

from __future__ import annotations

from collections.abc import Sequence

from lab_plugin.ledger._state import State
from lab_plugin.repository import RefChange, Repository


def recover(repository: Repository, lab: str, state: State, fence: Sequence[RefChange]) -> list[str]:
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
        if now != state.champion.commit and (now is None or _is_held(repository, lab, now)):
            changes[best] = RefChange(best, state.champion.commit, now or "")
            mended.append(f"lab/{lab}/best was not at the champion, idea {state.champion.number}")
    prefix = f"refs/lab/{lab}/open/"
    for ref, oid in repository.refs(prefix).items():
        number = ref.removeprefix(prefix).partition("-")[0]
        if number.isdecimal() and int(number) in state.ideas:
            changes[ref] = RefChange(ref, None, oid)
            mended.append(f"idea {int(number)} was still open after its verdict")
    if changes:
        repository.update_refs([*changes.values(), *fence])
    return mended


def _is_held(repository: Repository, lab: str, commit: str) -> bool:
    """Whether the ledger keeps a commit, so that moving a branch away from it loses nothing."""
    head = repository.ref(f"refs/lab/{lab}/ledger")
    return head is not None and repository.is_ancestor(commit, head)
