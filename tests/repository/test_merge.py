from collections.abc import Callable
from pathlib import Path

import pytest

from lab_plugin.errors import RepositoryError
from lab_plugin.repository import Blob, RefChange, Repository

Git = Callable[..., str]


@pytest.fixture
def best(repository: Repository, tree: str) -> str:
    commit = repository.commit(
        repository.edit_tree(tree, {"train.py": Blob(b"best\n")}), [repository.head()], "b"
    )
    repository.update_refs([RefChange("refs/heads/lab/x/best", commit, "")])
    return commit


def test_ancestry(repository: Repository, best: str) -> None:
    head = repository.head()
    assert repository.is_ancestor(head, best) and repository.is_ancestor(head, head)
    assert not repository.is_ancestor(best, head)
    with pytest.raises(RepositoryError):
        repository.is_ancestor("0" * 39 + "1", head)


def test_merge_without_a_working_tree(repository: Repository, tree: str, best: str) -> None:
    theirs = repository.commit(repository.edit_tree(tree, {"new": Blob(b"1")}), [repository.head()], "t")
    merged = repository.merge_trees(theirs, best)
    assert (
        repository.read_file(merged, "train.py") == b"best\n" and repository.read_file(merged, "new") == b"1"
    )
    other = repository.commit(
        repository.edit_tree(tree, {"train.py": Blob(b"o\n")}), [repository.head()], "o"
    )
    with pytest.raises(RepositoryError, match=r"conflicts in: train\.py"):
        repository.merge_trees(other, best)


def test_merge_in_a_working_tree(folder: Path, repository: Repository, best: str, git: Git) -> None:
    git(folder, "config", "user.name", "Ada")
    git(folder, "config", "user.email", "ada@localhost")
    (folder / "train.py").write_text("mine\n")
    with pytest.raises(RepositoryError, match="taken back"):
        repository.merge_in_worktree(folder, "lab/x/best", "Merge")
    assert (folder / "train.py").read_text() == "mine\n"
    git(folder, "commit", "-aqm", "mine")
    with pytest.raises(RepositoryError, match="taken back"):
        repository.merge_in_worktree(folder, "lab/x/best", "Merge")
    assert git(folder, "status", "--porcelain") == ""
    git(folder, "reset", "-q", "--hard", "HEAD~1")
    assert repository.merge_in_worktree(folder, "lab/x/best", "Merge") == best
    assert (folder / "train.py").read_text() == "best\n"
