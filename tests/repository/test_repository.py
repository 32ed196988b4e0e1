import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab_plugin.errors import RepositoryError
from lab_plugin.repository import EMPTY_TREE, Blob, Change, Repository

Git = Callable[..., str]


def snapshot(folder: Path) -> dict[str, bytes | str]:
    """Everything of the user that must stay: working tree, index, HEAD, config, refs and reflogs."""
    found: dict[str, bytes | str] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if name.startswith((".git/objects", ".git/refs/lab", ".git/refs/heads/lab")):
            continue
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.is_file():
            found[name] = path.read_bytes()
    return found


def test_open_from_a_subfolder(folder: Path) -> None:
    repository = Repository.open(folder / "src")
    assert repository.top == folder
    assert repository.git_dir == repository.common_dir == folder / ".git"


def test_what_is_no_usable_repository(tmp_path: Path, git: Git) -> None:
    with pytest.raises(RepositoryError, match="not in a git repository"):
        Repository.open(tmp_path)
    git(tmp_path, "init", "-q", "--bare", "bare")
    with pytest.raises(RepositoryError, match="bare"):
        Repository.open(tmp_path / "bare")
    git(tmp_path, "init", "-q", "--object-format=sha256", "sha256")
    with pytest.raises(RepositoryError, match="sha256"):
        Repository.open(tmp_path / "sha256")
    git(tmp_path, "init", "-q", "empty")
    with pytest.raises(RepositoryError, match="inside a git folder"):
        Repository.open(tmp_path / "empty" / ".git")
    with pytest.raises(RepositoryError) as raised:
        Repository.open(tmp_path / "empty").head()
    assert "no commit yet" in raised.value.message and "git commit" in raised.value.remedy
    with pytest.raises(RepositoryError, match="cannot be run"):
        Repository.open(tmp_path / "nowhere")


def test_git_missing_or_too_old(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(RepositoryError, match="not found"):
        Repository.open(folder)
    (programs / "git").write_text("#!/bin/sh\necho git version 2.37.9\n")
    (programs / "git").chmod(0o755)
    with pytest.raises(RepositoryError, match=r"too old.*2\.37\.9") as raised:
        Repository.open(folder)
    assert "2.38" in raised.value.remedy


def test_head_and_resolve(folder: Path, repository: Repository, git: Git) -> None:
    head = git(folder, "rev-parse", "HEAD")
    assert repository.head() == head
    assert repository.resolve("main") == repository.resolve(head[:8]) == head
    git(folder, "tag", "-a", "-m", "x", "v1")
    assert repository.resolve("v1") == head
    for wrong in (
        "nothing",
        "--all",
        "-h",
        "--output=/tmp/x",
        "HEAD:train.py",
        "main..main",
        "",
        "a\nb",
        "a\0b",
    ):
        with pytest.raises(RepositoryError, match="names no commit"):
            repository.resolve(wrong)
    git(folder, "checkout", "-q", "--detach")
    assert Repository.open(folder).head() == head


def test_a_linked_worktree_shares_objects_and_refs(folder: Path, tmp_path: Path, git: Git) -> None:
    git(folder, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    linked = Repository.open(tmp_path / "side")
    assert linked.top == tmp_path / "side"
    assert linked.common_dir == folder / ".git" != linked.git_dir
    tree = linked.edit_tree(linked.tree_of(linked.head()), {"new": Blob(b"1")})
    assert Repository.open(folder).read_file(tree, "new") == b"1"
    assert linked.checked_out("main") == folder
    assert linked.checked_out("side") == tmp_path / "side"
    assert linked.checked_out("lab/x/best") is None


def test_alternates_and_packs(folder: Path, tmp_path: Path, git: Git) -> None:
    git(folder, "gc", "-q")
    # git's list of alternates has one path per line.
    folder.rename(tmp_path / "origin")
    git(tmp_path, "clone", "-q", "--shared", "origin", "clone")
    clone = Repository.open(tmp_path / "clone")
    tree = clone.edit_tree(clone.tree_of(clone.head()), {"train.py": Blob(b"2")})
    assert clone.read_file(tree, "src/model.py") == b"x = 1\n"
    assert clone.changed_paths(clone.tree_of(clone.head()), tree) == ["train.py"]


def test_is_dirty_never_refreshes_the_index(folder: Path, repository: Repository) -> None:
    assert not repository.is_dirty()
    index = (folder / ".git/index").read_bytes()
    os.utime(folder / "train.py", (1, 1))
    assert not repository.is_dirty()
    (folder / "unknown").write_text("x")
    assert not repository.is_dirty() and repository.is_dirty(untracked=True)
    (folder / "train.py").write_text("print(2)\n")
    assert repository.is_dirty()
    assert (folder / ".git/index").read_bytes() == index


def test_trees_are_git_s_own(folder: Path, repository: Repository, tree: str, git: Git) -> None:
    new = repository.edit_tree(
        tree,
        {
            "src/model.py": Blob(b"x = 2\n"),
            "src-2/a": Blob(b"a", mode=0o100755),
            "src.py": Blob(b"b"),
            "link": Blob(b"train.py", mode=0o120000),
            "src/deep/er/layer.py": None,
            "not/there": None,
        },
    )
    listed = git(folder, "ls-tree", "-r", new)
    ours = "\n".join(
        f"{entry.mode:06o} blob {entry.oid}\t{path}" for path, entry in repository.entries(new).items()
    )
    assert sorted(ours.split("\n")) == sorted(listed.split("\n"))
    assert git(folder, "fsck", "--no-dangling", "--strict", new) == ""
    assert repository.subtree(new, "src/deep") is None
    assert repository.subtree(new, "src/model.py") is None
    assert set(repository.entries(new, "src")) == {"model.py"}
    assert dict(repository.entries(new, "nowhere")) == {}
    assert repository.edit_tree(new, {path: None for path in repository.entries(new)}) == EMPTY_TREE


def test_files_and_folders_change_places(repository: Repository, tree: str) -> None:
    new = repository.edit_tree(tree, {"src": Blob(b"file"), "train.py": None, "train.py/a": Blob(b"1")})
    assert repository.changes(tree, new) == sorted(repository.changes(tree, new))
    assert repository.read_file(new, "src") == b"file"
    assert repository.read_file(new, "train.py/a") == b"1"
    back = repository.edit_tree(new, {"src": None, "train.py/a": None})
    assert not set(repository.entries(back)) & {"src", "train.py/a"}
    with pytest.raises(RepositoryError, match="is a file"):
        repository.edit_tree(tree, {"train.py/a": Blob(b"1")})
    with pytest.raises(RepositoryError, match="no file src"):
        repository.read_file(tree, "src")


@pytest.mark.parametrize(
    "path", ["", "/a", "a//b", "../a", "a/..", ".git/config", "a/.GIT/x", "a\0b", "git~1"]
)
def test_paths_that_can_never_be_in_a_tree(repository: Repository, tree: str, path: str) -> None:
    with pytest.raises(RepositoryError):
        repository.edit_tree(tree, {path: Blob(b"1")})


def test_names_that_are_not_utf8(repository: Repository, tree: str, folder: Path, git: Git) -> None:
    name = os.fsdecode(b"caf\xe9\n")
    new = repository.edit_tree(tree, {name: Blob(b"1")})
    assert repository.changes(tree, new) == [Change(name, None, repository.entries(new)[name])]
    assert f"100644 blob {repository.entries(new)[name].oid}\t{name}" in git(folder, "ls-tree", "-z", new)


def test_commit(folder: Path, repository: Repository, tree: str, git: Git) -> None:
    git(folder, "config", "commit.gpgSign", "true")
    git(folder, "config", "user.name", "Grace")
    head = repository.head()
    commit = repository.commit(tree, [head], "Subject\n\nBödy")
    assert git(folder, "log", "-1", "--format=%an|%ae|%cn|%ce|%P|%T", commit) == (
        f"prefect-lab|prefect-lab@localhost|prefect-lab|prefect-lab@localhost|{head}|{tree}"
    )
    assert repository.commit_message(commit) == "Subject\n\nBödy\n"
    assert repository.parents_of(commit) == (head,)
    assert git(folder, "fsck", "--no-dangling", "--strict", repository.commit(EMPTY_TREE, [], "empty")) == ""
    with pytest.raises(RepositoryError, match="NUL"):
        repository.commit(tree, [], "a\0b")


def test_blobs(repository: Repository) -> None:
    oid = repository.write_blob(b"x" * 100_000)
    assert repository.read_blob(oid) == b"x" * 100_000
    with pytest.raises(RepositoryError, match="more than 10"):
        repository.read_blob(oid, limit=10)
    with pytest.raises(RepositoryError, match="missing"):
        repository.read_blob("0" * 39 + "1")
    with pytest.raises(RepositoryError, match="not a blob"):
        repository.read_blob(repository.head())


def test_many_large_and_small_blobs_do_not_block(repository: Repository) -> None:
    contents = [bytes([number % 256]) * (200_000 if number % 50 == 0 else 10) for number in range(300)]
    oids = [repository.write_blob(data) for data in contents]
    assert list(repository.read_blobs(oids)) == contents


def test_a_damaged_object_is_told_and_the_rest_still_reads(folder: Path, repository: Repository) -> None:
    good, bad = repository.write_blob(b"good"), repository.write_blob(b"bad")
    path = folder / ".git/objects" / bad[:2] / bad[2:]
    path.chmod(0o644)
    path.write_bytes(b"garbage")
    with pytest.raises(RepositoryError):
        repository.read_blob(bad)
    assert repository.read_blob(good) == b"good"


def test_an_object_that_a_power_cut_left_empty_is_written_again(folder: Path, repository: Repository) -> None:
    oid = repository.write_blob(b"data")
    path = folder / ".git/objects" / oid[:2] / oid[2:]
    path.chmod(0o644)
    path.write_bytes(b"")
    assert repository.write_blob(b"data") == oid
    assert repository.read_blob(oid) == b"data"


def test_diff(repository: Repository, tree: str) -> None:
    new = repository.edit_tree(
        tree, {"train.py": Blob(b"print(2)\n"), "big": Blob(b"line\n" * 100_000), "bin": Blob(b"\0\1")}
    )
    text = repository.diff(tree, new, ["train.py"])
    assert "--- a/train.py\n+++ b/train.py" in text and "-print(1)\n+print(2)\n" in text
    assert repository.diff(tree, new, ["*.py"]) == ""
    cut = repository.diff(tree, new, limit=1000)
    assert len(cut) < 1100 and cut.endswith("... cut after 1000 bytes\n")
    stat = repository.diff_stat(tree, new)
    assert (stat.files, stat.added, stat.deleted) == (3, 100_001, 1)


def test_diffs_run_no_program_of_the_repository(
    folder: Path, repository: Repository, tree: str, git: Git
) -> None:
    proof = folder / "proof"
    for key in ("diff.external", "diff.evil.command", "diff.evil.textconv", "core.pager", "core.fsmonitor"):
        git(folder, "config", key, f"touch '{proof}'; cat")
    (folder / ".git/info").mkdir(exist_ok=True)
    (folder / ".git/info/attributes").write_text("* diff=evil\n")
    new = repository.edit_tree(tree, {"train.py": Blob(b"2\n"), ".gitattributes": Blob(b"* diff=evil\n")})
    assert "+2" in repository.diff(tree, new)
    repository.diff_stat(tree, new)
    repository.is_dirty()
    assert not proof.exists()


NAMES = st.sampled_from(["a", "a.b", "a-b", "a0", "b", "c", "lib", "lib.py", "é", "a b"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    first=st.dictionaries(PATHS, st.binary(max_size=3)), second=st.dictionaries(PATHS, st.binary(max_size=3))
)
def test_any_edit_gives_the_tree_that_writing_it_whole_gives(
    repository: Repository, first: dict[str, bytes], second: dict[str, bytes]
) -> None:
    one, two = prefix_free(first), prefix_free(second)
    a = repository.write_tree({path: Blob(data) for path, data in one.items()})
    b = repository.write_tree({path: Blob(data) for path, data in two.items()})
    edits: dict[str, Blob | None] = {path: None for path in one}
    edits |= {path: Blob(data) for path, data in two.items()}
    assert repository.edit_tree(a, edits) == b
    differ = sorted(path for path in one.keys() | two.keys() if one.get(path) != two.get(path))
    assert repository.changed_paths(a, b) == differ
    undo = {change.path: change.before and Blob(oid=change.before.oid) for change in repository.changes(a, b)}
    assert repository.edit_tree(b, undo) == a
    written = subprocess.run(
        ["git", "fsck", "--no-dangling", "--strict", b], cwd=repository.top, capture_output=True, check=False
    )
    assert written.returncode == 0, written


def prefix_free(files: dict[str, bytes]) -> dict[str, bytes]:
    return {
        path: data for path, data in files.items() if not any(other.startswith(path + "/") for other in files)
    }


def test_the_user_s_repository_stays_byte_for_byte(folder: Path, git: Git, tmp_path: Path) -> None:
    git(folder, "branch", "other")
    (folder / "train.py").write_text("stashed")
    git(folder, "stash")
    (folder / "train.py").write_text("dirty")
    (folder / "staged").write_text("x")
    git(folder, "add", "staged")
    before = snapshot(folder)
    from lab_plugin.repository import Lease, RefChange, WorkspacePool, take_in

    repository = Repository.open(folder)
    head = repository.head()
    pool = WorkspacePool(repository, tmp_path / "pool", lambda path: False)
    with pool.private(repository.tree_of(head)) as workspace:
        (workspace.path / "train.py").write_text("idea")
        taken = take_in(
            repository, workspace.path, repository.tree_of(head), ["train.py"], lambda path: False
        )
    commit = repository.commit(taken.tree, [head], "idea")
    with Lease.acquire(repository, "refs/lab/x/lease", "test") as lease:
        repository.update_refs([lease.fence(), RefChange("refs/heads/lab/x/best", commit, "")])
        lease.heartbeat()
    repository.update_refs([RefChange("refs/heads/lab/x/best", None, commit)])
    pool.release(pool.acquire(taken.tree))
    repository.is_dirty(untracked=True)
    repository.diff(head, commit)
    repository.close()
    assert snapshot(folder) == before
