"""Merges, for `lab merge` alone: into a branch that the user named."""

from __future__ import annotations

import os
from pathlib import Path

from lab_plugin.errors import RepositoryError
from lab_plugin.repository._git import Git, failure, run_as_user


def worktrees(git: Git) -> dict[str, Path]:
    """The branches that are checked out, and the working tree of each."""
    found: dict[str, Path] = {}
    folder = Path()
    for line in os.fsdecode(git.run("worktree", "list", "--porcelain", "-z")).split("\0"):
        key, _, value = line.partition(" ")
        if key == "worktree":
            folder = Path(value)
        elif key == "branch":
            found[value.removeprefix("refs/heads/")] = folder
    return found


def merge_trees(git: Git, ours: str, theirs: str) -> str:
    """Merge two commits without a working tree.

    Raises:
        RepositoryError: They conflict.
    """
    result = git.attempt("merge-tree", "--write-tree", "--name-only", "--no-messages", "-z", ours, theirs)
    tree, *conflicts = os.fsdecode(result.stdout).rstrip("\0").split("\0")
    if result.status == 1:
        names = ", ".join(dict.fromkeys(conflicts))
        raise RepositoryError(
            f"The merge has conflicts in: {names}. Nothing was changed.",
            "Check the branch out and merge by hand, where you can solve them.",
        )
    if result.status != 0:
        raise failure("git merge-tree", git.git_dir, result)
    return tree


def merge_in_worktree(git: Git, worktree: Path, branch: str, message: str) -> str:
    """Merge in a working tree, and take the merge back where it fails.

    Raises:
        RepositoryError: git refuses, or there are conflicts.
    """
    under_way = run_as_user(git.program, worktree, "rev-parse", "--verify", "--quiet", "MERGE_HEAD")
    if under_way.status == 0:
        raise RepositoryError(
            f"A merge is under way in {worktree}.", "Finish it first, or `git merge --abort`."
        )
    merged = run_as_user(git.program, worktree, "merge", "--no-edit", "-m", message, f"refs/heads/{branch}")
    if merged.status != 0:
        run_as_user(git.program, worktree, "merge", "--abort")
        words = (merged.stderr.strip() or os.fsdecode(merged.stdout).strip())[:2000]
        raise RepositoryError(
            f"The merge in {worktree} was taken back: {words}",
            f"Commit or stash your changes, or merge by hand: git merge {branch}",
        )
    head = run_as_user(git.program, worktree, "rev-parse", "HEAD")
    return head.stdout.decode("ascii").strip()
