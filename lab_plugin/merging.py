"""`lab merge`: the champion into a branch that the user names, and never by itself."""

from __future__ import annotations

from dataclasses import dataclass

from lab_plugin.errors import RepositoryError
from lab_plugin.lab import Lab
from lab_plugin.repository import RefChange


@dataclass(frozen=True)
class Merge:
    """What became of the branch.

    Attributes:
        branch: Its name.
        commit: Where it points now.
        explanation: What was done.
    """

    branch: str
    commit: str
    explanation: str


def merge_champion(lab: Lab, branch: str, create: bool = False) -> Merge:
    """Merge the champion into a branch.

    A branch that is checked out is merged by git in its working tree, with the user's own settings; any other
    branch is merged in the object store alone, and no working tree is touched.

    Raises:
        RepositoryError: There is no champion or branch, or the merge has conflicts; nothing changed then.
    """
    if branch == "lab" or branch.startswith("lab/"):
        raise RepositoryError(f"{branch!r} is a branch of the lab itself.", "Name one of your own branches.")
    champion = lab.ledger.state().champion
    if champion is None:
        raise RepositoryError(f"The lab {lab.name} has no champion.", "Run `lab lock`.")
    repository, ref = lab.repository, f"refs/heads/{branch}"
    tip = repository.refs(ref).get(ref)
    if tip is None:
        if not create:
            raise RepositoryError(f"There is no branch {branch!r}.", "Name an existing one, or add --create.")
        repository.update_refs([RefChange(ref, champion.commit, "")], beyond_lab=True)
        return Merge(branch, champion.commit, "made at the champion")
    if repository.is_ancestor(champion.commit, tip):
        return Merge(branch, tip, "holds the champion already")
    message = f"Merge {lab.best_branch}: {lab.config.scorer.metric} {champion.value:.6g}"
    worktree = repository.checked_out(branch)
    if worktree is not None:
        commit = repository.merge_in_worktree(worktree, lab.best_branch, message)
        return Merge(branch, commit, f"merged in {worktree}")
    if repository.is_ancestor(tip, champion.commit):
        repository.update_refs([RefChange(ref, champion.commit, tip)], beyond_lab=True)
        return Merge(branch, champion.commit, "moved forward to the champion")
    tree = repository.merge_trees(tip, champion.commit)
    commit = repository.commit(tree, [tip, champion.commit], message)
    repository.update_refs([RefChange(ref, commit, tip)], beyond_lab=True)
    return Merge(branch, commit, "merged")
