"""The branches that follow from a ledger's records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from lab_plugin.ledger._chain import Problem
from lab_plugin.ledger._state import State


def fetch_command(lab: str, remotes: Sequence[str]) -> str:
    """The command that brings a lab's ledger and branches into a clone.

    The lease is left where it is: it says who writes there.
    """
    remote = "origin" if "origin" in remotes else remotes[0] if len(remotes) == 1 else "REMOTE"
    ledger, branches = f"refs/lab/{lab}/ledger", f"refs/heads/lab/{lab}/*"
    return f"git fetch {remote} '{ledger}:{ledger}' '{branches}:{branches}'"


def branch_problems(
    lab: str, state: State, branches: Mapping[str, str], remotes: Callable[[], Sequence[str]]
) -> Iterator[Problem]:
    """Check the branches against the records.

    Args:
        lab: The lab's name.
        state: Of the whole ledger.
        branches: Full name -> commit, of all below `refs/heads/lab/<lab>/`.
        remotes: Tells the repository's remotes.
    """
    if not branches and state.champion is None:
        return
    if not branches:
        remedy = f"Run `{fetch_command(lab, remotes())}`."
        yield Problem("", f"no branch of the lab {lab} is in this repository", remedy)
        return
    named: set[str] = set()
    for record in state.ideas.values():
        ref = f"refs/heads/{record.branch}"
        named.add(ref)
        found = branches.get(ref)
        # Branches of ideas that were not kept may be cleaned away; the ledger keeps their commits.
        cleaned = found is None and record.verdict != "kept"
        if found != record.commit and not cleaned:
            what = "is missing" if found is None else "is not at its commit"
            remedy = f"Run `git branch -f {record.branch} {record.commit}`."
            yield Problem(
                "", f"the branch {record.branch} {what}", remedy, 0, record.number, record.commit, found or ""
            )
    for ref in sorted(branches.keys() - named):
        if ref.startswith(f"refs/heads/lab/{lab}/ideas/"):
            name = ref.removeprefix("refs/heads/")
            remedy = (
                f"A record was dropped, or the branch is not the lab's. Look at it (git log {name}), compare "
                f"with a clone; `git branch -m {name} other-name` takes it out."
            )
            yield Problem("", f"the branch {name} has no record in the ledger", remedy)
    yield from _best(lab, state, branches.get(f"refs/heads/lab/{lab}/best"))


def _best(lab: str, state: State, best: str | None) -> Iterator[Problem]:
    champion = state.champion
    if champion is None and best is not None:
        remedy = f"Compare with a clone: `git log refs/lab/{lab}/ledger` there."
        yield Problem("", f"there is a branch lab/{lab}/best, and no lock in the ledger", remedy)
    if champion is not None and best != champion.commit:
        remedy = f"Run `git branch -f lab/{lab}/best {champion.commit}`."
        what = f"lab/{lab}/best is not at the champion, idea {champion.number}"
        yield Problem("", what, remedy, 0, champion.number or None, champion.commit, best or "no branch")
