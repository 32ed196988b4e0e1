import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab_plugin.errors import RepositoryError
from lab_plugin.repository import Blob, Repository, WorkspacePool

Hidden = Callable[[str], bool]
Git = Callable[..., str]


@pytest.fixture
def pool(repository: Repository, tmp_path: Path, hidden: Hidden) -> WorkspacePool:
    return WorkspacePool(repository, tmp_path / "pool", hidden)


def contents(folder: Path) -> dict[str, tuple[str, bytes]]:
    found = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = ("link", os.fsencode(os.readlink(path)))
        elif path.is_file():
            found[name] = ("executable" if path.stat().st_mode & 0o100 else "file", path.read_bytes())
        elif not any(path.iterdir()):
            found[name] = ("empty folder", b"")
    return found


def expected(repository: Repository, tree: str, hidden: Hidden) -> dict[str, tuple[str, bytes]]:
    kinds = {0o100644: "file", 0o100755: "executable", 0o120000: "link"}
    return {
        path: (kinds[entry.mode], repository.read_blob(entry.oid))
        for path, entry in repository.entries(tree).items()
        if not hidden(path)
    }


def test_holds_the_tree_without_hidden_files(
    repository: Repository, pool: WorkspacePool, tree: str, hidden: Hidden
) -> None:
    with pool.use(tree) as workspace:
        assert contents(workspace.path) == expected(repository, tree, hidden)
        assert not (workspace.path / "scorer").exists() and not (workspace.path / ".git").exists()
        assert (workspace.path / "train.py").stat().st_mode & 0o777 == 0o444
    with pool.private(tree) as workspace:
        assert contents(workspace.path) == expected(repository, tree, hidden)
        assert (workspace.path / "train.py").stat().st_mode & 0o777 == 0o644
        path = workspace.path
    assert not path.exists()


def test_only_what_differs_is_rewritten(repository: Repository, pool: WorkspacePool, tree: str) -> None:
    new = repository.edit_tree(tree, {"train.py": Blob(b"2"), "scorer/score.py": Blob(b"new secret")})
    with pool.use(tree) as first:
        before = {name: os.stat(first.path / name).st_ino for name in ("src/model.py", "params.json")}
    with pool.use(new) as second:
        assert second.path == first.path and (second.path / "train.py").read_bytes() == b"2"
        assert before == {name: os.stat(second.path / name).st_ino for name in before}


FOLDERS = st.dictionaries(
    st.lists(st.sampled_from(["a", "b", "scorer", "d"]), min_size=1, max_size=3).map("/".join),
    st.tuples(st.sampled_from([0o100644, 0o100755]), st.sampled_from([b"", b"1", b"2"])),
    max_size=8,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(FOLDERS, min_size=2, max_size=5))
def test_any_sequence_of_trees(
    repository: Repository, pool: WorkspacePool, hidden: Hidden, steps: list[dict[str, tuple[int, bytes]]]
) -> None:
    for files in steps:
        tree = repository.write_tree(
            {
                path: Blob(data, mode=mode)
                for path, (mode, data) in files.items()
                if not any(other.startswith(path + "/") for other in files)
            }
        )
        with pool.use(tree) as workspace:
            assert contents(workspace.path) == expected(repository, tree, hidden)


def test_raw_content_whatever_attributes_say(
    folder: Path, repository: Repository, pool: WorkspacePool, tree: str, git: Git
) -> None:
    proof = folder / "proof"
    git(folder, "config", "filter.evil.smudge", f"touch '{proof}'")
    git(folder, "config", "core.autocrlf", "true")
    text = b"$Id$\r\nline\n"
    attributes = b"* filter=evil ident eol=crlf export-ignore working-tree-encoding=UTF-16\n"
    new = repository.edit_tree(tree, {".gitattributes": Blob(attributes), "train.py": Blob(text)})
    with pool.use(new) as workspace:
        assert (workspace.path / "train.py").read_bytes() == text
    assert not proof.exists()


def test_links(repository: Repository, pool: WorkspacePool, tree: str) -> None:
    inside = repository.edit_tree(tree, {"src/link": Blob(b"../train.py", mode=0o120000)})
    with pool.use(inside) as workspace:
        assert (workspace.path / "src/link").read_text() == "print(1)\n"
    for target in (b"/etc/passwd", b"../../x", b"deep/../../.."):
        outside = repository.edit_tree(tree, {"src/link": Blob(target, mode=0o120000)})
        with pytest.raises(RepositoryError, match="symbolic link src/link"):
            pool.acquire(outside)
    with pool.use(tree) as workspace:
        assert not os.path.lexists(workspace.path / "src/link")


def test_a_submodule_is_an_empty_folder(repository: Repository, pool: WorkspacePool, tree: str) -> None:
    new = repository.edit_tree(tree, {"vendor/lib": Blob(oid=repository.head(), mode=0o160000)})
    with pool.use(new) as workspace:
        assert list((workspace.path / "vendor/lib").iterdir()) == []
    with pool.use(tree) as workspace:
        assert not (workspace.path / "vendor").exists()


def test_users_at_once_get_different_folders(
    pool: WorkspacePool, repository: Repository, tree: str, hidden: Hidden
) -> None:
    other = WorkspacePool(repository, pool._folder, hidden)
    with pool.use(tree) as first, pool.use(tree) as second, other.use(tree) as third:
        assert len({first.path, second.path, third.path}) == 3
    with other.use(tree) as again:
        assert again.path == first.path


def test_threads(repository: Repository, pool: WorkspacePool, tree: str, hidden: Hidden) -> None:
    trees = [repository.edit_tree(tree, {"train.py": Blob(b"%d" % number)}) for number in range(6)]
    wrong: list[str] = []

    def work(number: int) -> None:
        for turn in range(8):
            mine = trees[(number + turn) % 6]
            with pool.use(mine) as workspace:
                if contents(workspace.path) != expected(repository, mine, hidden):
                    wrong.append(mine)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_what_another_process_wrote_is_not_trusted(
    repository: Repository, pool: WorkspacePool, tree: str, hidden: Hidden
) -> None:
    with pool.use(tree) as workspace:
        pass
    (workspace.path / "train.py").chmod(0o644)
    (workspace.path / "train.py").write_text("evil")
    other = WorkspacePool(repository, pool._folder, lambda path: path == "params.json" or hidden(path))
    with other.use(tree) as again:
        assert again.path == workspace.path
        assert (again.path / "train.py").read_text() == "print(1)\n"
        assert not (again.path / "params.json").exists()
    with pool.use(tree) as back:
        assert contents(back.path) == expected(repository, tree, hidden)


def test_a_tainted_workspace_is_written_anew(pool: WorkspacePool, tree: str) -> None:
    workspace = pool.acquire(tree)
    (workspace.path / "src").rename(workspace.path / "gone")
    (workspace.path / "extra").mkdir(mode=0o000)
    pool.release(workspace, tainted=True)
    with pool.use(tree) as again:
        assert (again.path / "src/model.py").exists() and not (again.path / "extra").exists()


def test_no_write_goes_through_a_planted_link(
    repository: Repository, pool: WorkspacePool, tree: str, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    workspace = pool.acquire(tree)
    (workspace.path / "src").rename(workspace.path / "gone")
    (workspace.path / "src").symlink_to(outside)
    pool.release(workspace)
    new = repository.edit_tree(tree, {"src/model.py": Blob(b"2"), "src/new.py": Blob(b"3")})
    with pool.use(new) as again:
        assert (again.path / "src/new.py").read_bytes() == b"3" and not (again.path / "src").is_symlink()
    assert list(outside.iterdir()) == []


def test_clean_spares_what_is_in_use(pool: WorkspacePool, tree: str) -> None:
    with pool.use(tree) as used:
        with pool.use(tree) as idle:
            pass
        assert pool.clean() > 0
        assert (used.path / "train.py").exists() and not idle.path.exists()
    assert pool.clean() > 0 and pool.clean() == 0


KILLED = """
import sys
from pathlib import Path
from lab_plugin.repository import Blob, Repository, WorkspacePool
repository = Repository.open(Path(sys.argv[1]))
tree = repository.tree_of(repository.head())
trees = [
    repository.edit_tree(tree, {f"many/{n}": Blob(b"%d %d" % (turn, n)) for n in range(turn * 40)})
    for turn in (1, 2, 3)
]
pool = WorkspacePool(repository, Path(sys.argv[2]), lambda path: False)
print("ready", flush=True)
while True:
    for each in trees:
        pool.release(pool.acquire(each))
        with pool.private(each):
            pass
"""


def test_a_kill_in_the_middle_leaves_nothing_wrong(
    folder: Path, repository: Repository, tree: str, tmp_path: Path
) -> None:
    place = tmp_path / "killed"
    for delay in (0.01, 0.03, 0.08):
        child = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(folder), str(place)], stdout=subprocess.PIPE
        )
        assert child.stdout is not None and child.stdout.readline() == b"ready\n"
        threading.Event().wait(delay)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        pool = WorkspacePool(repository, place, lambda path: False)
        with pool.use(tree) as workspace:
            assert workspace.path.parent.name == "pool-0"
            assert contents(workspace.path) == expected(repository, tree, lambda path: False)
        pool.clean()
        assert not [path for path in place.iterdir() if path.is_dir()]
