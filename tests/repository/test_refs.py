import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab_plugin.errors import RefConflict, RepositoryError
from lab_plugin.repository import RefChange, Repository

Git = Callable[..., str]
A, B = "refs/heads/lab/x/a", "refs/lab/x/b"


@pytest.fixture
def two(repository: Repository, tree: str) -> tuple[str, str]:
    head = repository.head()
    return head, repository.commit(tree, [head], "second")


def test_all_or_nothing(repository: Repository, two: tuple[str, str]) -> None:
    one, other = two
    repository.update_refs([RefChange(A, one, ""), RefChange(B, other, "")])
    assert repository.refs("refs/lab/") == {B: other} and repository.ref(A) == one
    with pytest.raises(RefConflict):
        repository.update_refs([RefChange(A, other, one), RefChange(B, one, one)])
    assert (repository.ref(A), repository.ref(B)) == (one, other)
    with pytest.raises(RefConflict):
        repository.update_refs([RefChange(A, None, one), RefChange("refs/lab/x/c", one, one)])
    assert repository.ref(A) == one
    repository.update_refs([RefChange(A, None, one), RefChange(B, other, other)])
    assert repository.ref(A) is None


def test_expectations(repository: Repository, two: tuple[str, str]) -> None:
    one, other = two
    repository.update_refs([RefChange(A, one)])
    for wrong in (
        RefChange(A, other, ""),
        RefChange(A, other, other),
        RefChange(A, other, B.encode().hex()[:40].ljust(40, "0")),
        RefChange(A, None, ""),
        RefChange(A, None, other),
        RefChange(B, other, one),
        RefChange(B, None, one),
        RefChange(B, one, one),
    ):
        with pytest.raises(RefConflict):
            repository.update_refs([wrong])
    repository.update_refs([RefChange(A, one, one), RefChange(B, None, "")])
    repository.update_refs([RefChange(B, None)])
    repository.update_refs([])
    assert repository.ref(A) == one and repository.ref(B) is None


@pytest.mark.parametrize(
    "name",
    ["HEAD", "main", "refs/lab/a..b", "refs/lab/a b", "refs/lab/a\0b", "refs/lab/a\nb", "refs/lab/.a",
     "refs/lab/a.lock", "refs/lab/a~1", "refs/lab//a", "refs/lab/a/", "refs/lab/a@{1}", "refs/lab/a.lock/b"],
)  # fmt: skip
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(RepositoryError, match="not a valid ref name"):
        RefChange(name, "0" * 40)


def test_ids_that_are_refused() -> None:
    for wrong in ("", "abc", "g" * 40, "0" * 40 + "\0"):
        with pytest.raises(RepositoryError):
            RefChange(A, wrong)


def test_the_user_s_branches_move_only_when_asked(repository: Repository, two: tuple[str, str]) -> None:
    one, other = two
    for ref in ("refs/heads/main", "refs/tags/lab", "refs/heads/laboratory", "refs/stash"):
        with pytest.raises(RepositoryError, match="never moved"):
            repository.update_refs([RefChange(A, one, ""), RefChange(ref, other)])
    assert repository.ref(A) is None
    repository.update_refs([RefChange("refs/heads/release", other, "")], beyond_lab=True)
    assert repository.ref("refs/heads/release") == other


def test_a_branch_called_lab_is_in_the_way(folder: Path, repository: Repository, git: Git) -> None:
    git(folder, "branch", "lab")
    with pytest.raises(RepositoryError, match="in the way") as raised:
        repository.update_refs([RefChange(A, repository.head(), "")])
    assert "rename" in raised.value.remedy


def test_a_symbolic_ref_is_replaced_not_followed(
    folder: Path, repository: Repository, two: tuple[str, str], git: Git
) -> None:
    git(folder, "symbolic-ref", A, "refs/heads/main")
    repository.update_refs([RefChange(A, two[1])])
    assert git(folder, "rev-parse", "main") == two[0]
    assert repository.ref(A) == two[1]


def test_packed_refs(folder: Path, repository: Repository, two: tuple[str, str], git: Git) -> None:
    repository.update_refs([RefChange(A, two[0], ""), RefChange(B, two[0], "")])
    git(folder, "pack-refs", "--all")
    assert repository.refs("refs/heads/lab/") == {A: two[0]}
    repository.update_refs([RefChange(A, two[1], two[0]), RefChange(B, None, two[0])])
    assert (repository.ref(A), repository.ref(B)) == (two[1], None)


def test_a_lock_that_a_killed_git_left_is_removed_when_it_is_old(
    folder: Path, repository: Repository
) -> None:
    head = repository.head()
    lock = folder / ".git" / f"{A}.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    os.utime(lock, (time.time() - 3600,) * 2)
    repository.update_refs([RefChange(A, head, "")])
    assert repository.ref(A) == head and not lock.exists()


def test_a_lock_on_a_foreign_ref_is_never_removed(
    folder: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab_plugin.repository._refs._LOCK_SECONDS", 0.1)
    lock = folder / ".git/refs/heads/release.lock"
    lock.touch()
    os.utime(lock, (1, 1))
    with pytest.raises(RepositoryError, match="locked by another"):
        repository.update_refs([RefChange("refs/heads/release", repository.head(), "")], beyond_lab=True)
    assert lock.exists()


def test_exactly_one_of_many_wins(repository: Repository, two: tuple[str, str]) -> None:
    def attempt(_: int) -> bool:
        try:
            repository.update_refs([RefChange(A, two[0], "")])
        except RefConflict:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(attempt, range(16))) == 1
