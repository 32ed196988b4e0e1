"""Another repository, reached as the user's own git reaches it."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lab_plugin.errors import RefConflict, RemoteError, RemoteGone, RepositoryError
from lab_plugin.repository import RefChange, Remote, Repository

Git = Callable[..., str]
A, B = "refs/heads/lab/x/a", "refs/lab/x/b"


@pytest.fixture
def other(tmp_path: Path) -> Repository:
    return Repository.bare(tmp_path / "the other.git")


@pytest.fixture
def remote(repository: Repository, other: Repository) -> Remote:
    return repository.remote(str(other.git_dir))


@pytest.fixture
def two(repository: Repository, tree: str) -> tuple[str, str]:
    head = repository.head()
    return head, repository.commit(tree, [head], "second")


def test_a_repository_of_its_own_is_made_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "own.git"
    Repository.bare(folder).close()
    # What a git that was killed here once would have left.
    (folder / "config.lock").touch()
    again = Repository.bare(folder)
    assert again.read_blob(again.write_blob(b"held")) == b"held"
    again.close()
    assert os.listdir(folder.parent) == ["own.git"]
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine").touch()
    with pytest.raises(RepositoryError, match="in the way"):
        Repository.bare(tmp_path / "taken")
    assert os.listdir(tmp_path / "taken") == ["mine"]


def test_a_push_moves_all_or_nothing(remote: Remote, other: Repository, two: tuple[str, str]) -> None:
    one, second = two
    remote.push([RefChange(A, one, ""), RefChange(B, second, "")])
    assert remote.refs() == {A: one, B: second} == {A: other.ref(A), B: other.ref(B)}
    for wrong in (RefChange(B, one, one), RefChange(B, None, one), RefChange(B, one, "")):
        with pytest.raises(RefConflict):
            remote.push([RefChange(A, second, one), wrong])
        assert remote.refs() == {A: one, B: second}
    remote.push([RefChange(A, second, one), RefChange(B, None, second)])
    assert remote.refs() == {A: second}
    remote.push([RefChange(A, one)])
    assert remote.refs(A) == {A: one}
    remote.push([])


def test_what_was_pushed_can_be_fetched(
    remote: Remote, tmp_path: Path, two: tuple[str, str], repository: Repository
) -> None:
    one, second = two
    remote.push([RefChange(A, second), RefChange(B, repository.write_blob(b"held"))])
    elsewhere = Repository.bare(tmp_path / "elsewhere")
    there = elsewhere.remote(remote.address)
    there.fetch({A: "refs/lab/y/a", B: ""})
    assert elsewhere.refs("refs/") == {"refs/lab/y/a": second}
    assert elsewhere.read_blob(repository.write_blob(b"held")) == b"held"
    assert [commit.oid for commit in elsewhere.first_parents(second)] == [second, one]
    with pytest.raises(RemoteError, match="lacks"):
        there.fetch({"refs/lab/none": "refs/lab/none"})
    elsewhere.close()


def test_one_commit_can_be_fetched_without_its_history(
    remote: Remote, tmp_path: Path, two: tuple[str, str]
) -> None:
    remote.push([RefChange(A, two[1])])
    elsewhere = Repository.bare(tmp_path / "elsewhere")
    elsewhere.remote(f"file://{remote.address}").fetch({A: "refs/lab/y/a"}, depth=1)
    with pytest.raises(RepositoryError):
        elsewhere.read_commit(two[0])
    assert elsewhere.tree_of(two[1])
    elsewhere.close()


def test_remotes_are_found_by_name_and_by_path(
    repository: Repository, folder: Path, git: Git, tmp_path: Path
) -> None:
    git(folder, "remote", "add", "team", "/srv/team.git")
    git(folder, "remote", "set-url", "--push", "team", "/srv/push.git")
    assert repository.remote("team").address == "/srv/team.git"
    assert repository.remote("team", push=True).address == "/srv/push.git"
    assert repository.remote("../x.git", base=tmp_path / "lab").address == str(tmp_path / "x.git")
    assert repository.remote("x.git").address == str(folder.resolve() / "x.git")
    assert repository.remote("host:x.git").address == "host:x.git"
    for bad in ("-u", "", "https://host/a\nb"):
        with pytest.raises(RemoteError):
            repository.remote(bad)


def test_a_remote_that_is_gone_or_refuses(
    repository: Repository, remote: Remote, other: Repository, two: tuple[str, str]
) -> None:
    with pytest.raises(RemoteGone, match="cannot be reached|does not appear"):
        repository.remote("/nonexistent/lab.git").refs()
    with pytest.raises(RemoteGone) as caught:
        repository.remote("https://ada:hunter2@127.0.0.1:9/lab.git").refs()
    assert "hunter2" not in str(caught.value) and "***@127.0.0.1" in str(caught.value)
    hook = other.git_dir / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho the owner says no >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(RemoteError, match="the owner says no") as refused:
        remote.push([RefChange(A, two[0])])
    assert not isinstance(refused.value, RemoteGone) and remote.refs() == {}


def test_no_program_is_run_by_an_address(repository: Repository, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    for address in (f"ext::touch {marker}", f"fd::17/{marker}"):
        with pytest.raises(RepositoryError):
            repository.remote(address).refs()
    assert not marker.exists()


def test_one_that_hangs_is_given_up(repository: Repository, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("GIT_SSH_COMMAND", "sleep 60 #")
    slow = Remote(repository.remote("host:x.git").git, "host:x.git", timeout=0.5)
    with pytest.raises(RemoteGone, match="did not answer"):
        slow.refs()


def test_hooks_of_the_own_repository_are_not_run(
    repository: Repository, remote: Remote, two: tuple[str, str], tmp_path: Path
) -> None:
    marker = tmp_path / "ran"
    hook = repository.common_dir / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {marker}\n")
    hook.chmod(0o755)
    subprocess.run([hook], check=True)
    os.unlink(marker)
    remote.push([RefChange(A, two[0])])
    assert not marker.exists()
