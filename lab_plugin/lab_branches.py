"""The branches of a lab, seen to be where its ledger has them."""

from __future__ import annotations

from lab_plugin.errors import LockError, RepositoryError
from lab_plugin.lab import Lab
from lab_plugin.ledger import fetch_command
from lab_plugin.repository import Lease
from lab_plugin.scorer import FILE_NAME as LOCK_FILE


def require_branches(lab: Lab) -> None:
    """See that a lab can have its branches.

    Raises:
        RepositoryError: A branch called `lab` is in the way, or the champion's branch is checked out, and
            would change under somebody's feet.
    """
    if lab.repository.ref("refs/heads/lab") is not None:
        raise RepositoryError(
            "A branch called 'lab' is in the way of the lab's branches lab/...",
            "Rename it: git branch -m lab another-name",
        )
    if (place := lab.repository.checked_out(lab.best_branch)) is not None:
        raise RepositoryError(
            f"The champion's branch {lab.best_branch} is checked out in {place}, and a keep moves it.",
            f"Leave it: git -C {place} switch --detach, or switch to another branch.",
        )


def mend_branches(lab: Lab, lease: Lease) -> None:
    """Finish what a dead process left half done; the champion's branch is at the champion afterwards.

    Raises:
        RepositoryError: The branch is at a commit that the ledger lacks; moving it could lose that.
    """
    lab.ledger.recover([lease.fence()])
    champion, found = lab.ledger.state().champion, lab.repository.ref(lab.best_ref)
    if champion is not None and found != champion.commit:
        raise RepositoryError(
            f"{lab.best_branch} is at a commit that is not the ledger's, not at the champion.",
            f"Keep that commit elsewhere if you need it, then: "
            f"git branch -f {lab.best_branch} {champion.commit}",
        )
    if champion is None and found is not None:
        raise RepositoryError(
            f"There is a branch {lab.best_branch}, but no lock in the ledger {lab.ledger.ref}.",
            f"Fetch the ledger from a clone that has it: git fetch REMOTE '{lab.ledger.ref}:"
            f"{lab.ledger.ref}'; or rename the branch.",
        )


def came_without_ledger(lab: Lab) -> bool:
    """Whether a clone of a locked lab lacks its ledger: it has the lock's file, or a remote's champion."""
    if lab.ledger.state().lock is not None:
        return False
    champion = f"/{lab.best_branch}"
    return (lab.config.folder / LOCK_FILE).is_file() or any(
        ref.endswith(champion) for ref in lab.repository.refs("refs/remotes/")
    )


def not_locked(lab: Lab) -> LockError:
    """That a lab has no lock here, with what brings one."""
    if came_without_ledger(lab):
        return LockError(
            f"The ledger of the lab {lab.name} is not in this clone.",
            f"Bring it here from where it is: `{ledger_command(lab)}`.",
        )
    return LockError(f"The lab {lab.name} is not locked yet.", "Run `lab lock`.")


def ledger_command(lab: Lab) -> str:
    """The command that brings a lab's ledger and branches into this clone."""
    if lab.config.lab.remote is not None:
        return "lab sync"
    return fetch_command(lab.name, lab.repository.remotes())
