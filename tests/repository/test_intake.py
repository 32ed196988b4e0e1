import os
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from lab_plugin.errors import IntakeError
from lab_plugin.repository import Blob, IntakeLimits, IntakeResult, Repository, WorkspacePool, take_in

Hidden = Callable[[str], bool]
Git = Callable[..., str]
ALLOWED = ("train.py", "src")
DEFAULT = IntakeLimits()
TakeIn = Callable[..., IntakeResult]


@pytest.fixture
def edited(repository: Repository, tmp_path: Path, tree: str, hidden: Hidden):
    with WorkspacePool(repository, tmp_path / "pool", hidden).private(tree) as workspace:
        yield workspace.path


@pytest.fixture
def take(repository: Repository, edited: Path, tree: str, hidden: Hidden) -> TakeIn:
    def call(limits: IntakeLimits = DEFAULT, allowed: tuple[str, ...] = ALLOWED) -> IntakeResult:
        return take_in(repository, edited, tree, allowed, hidden, limits)

    return call


def test_nothing_changed(take: TakeIn, tree: str) -> None:
    assert take() == IntakeResult(tree, (), ())


def test_changes_are_taken_in_and_the_scorer_stays(
    repository: Repository, edited: Path, take: TakeIn, tree: str
) -> None:
    (edited / "train.py").write_text("print(2)\n")
    (edited / "src/new").mkdir()
    (edited / "src/new/file.py").write_text("n")
    (edited / "src/link").symlink_to("../train.py")
    (edited / "src/model.py").chmod(0o755)
    (edited / "src/deep/er/layer.py").unlink()
    (edited / "src/empty").mkdir()
    taken = take()
    assert taken.changed == (
        "src/deep/er/layer.py",
        "src/link",
        "src/model.py",
        "src/new/file.py",
        "train.py",
    )
    entries = repository.entries(taken.tree)
    assert repository.read_file(taken.tree, "train.py") == b"print(2)\n"
    assert repository.read_file(taken.tree, "scorer/score.py") == b"secret\n"
    assert entries["src/model.py"].mode == 0o100755 and entries["src/link"].mode == 0o120000
    assert "src/deep/er/layer.py" not in entries
    assert list(taken.changed) == repository.changed_paths(tree, taken.tree)


def test_a_file_becomes_a_folder_and_a_folder_a_file(
    repository: Repository, edited: Path, take: TakeIn
) -> None:
    (edited / "train.py").unlink()
    (edited / "train.py").mkdir()
    (edited / "train.py/inner").write_text("1")
    for path in ("src/deep/er/layer.py",):
        (edited / path).unlink()
    (edited / "src/deep/er").rmdir()
    (edited / "src/deep").rmdir()
    (edited / "src/deep").write_text("file")
    taken = take()
    assert repository.read_file(taken.tree, "train.py/inner") == b"1"
    assert repository.read_file(taken.tree, "src/deep") == b"file"


def outside(path: Path) -> None:
    path.write_text("{1}")


def keep_times(path: Path) -> None:
    before = path.stat()
    path.write_text("[]\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


OUTSIDE: dict[str, Callable[[Path], object]] = {
    "content": lambda root: (root / "params.json").write_text("{1}\n"),
    "content of the same size and time": lambda root: keep_times(root / "params.json"),
    "mode": lambda root: (root / "params.json").chmod(0o755),
    "deleted": lambda root: (root / "params.json").unlink(),
    "added": lambda root: (root / "conftest.py").write_text("import os"),
    "added beside": lambda root: (root / "src2").write_text(""),
    "added in a folder": lambda root: ((root / "lib").mkdir(), (root / "lib/a.py").write_text("")),
    "a link instead": lambda root: (
        (root / "params.json").unlink(),
        (root / "params.json").symlink_to("train.py"),
    ),
    "a folder instead": lambda root: ((root / "params.json").unlink(), (root / "params.json").mkdir()),
    "the scorer": lambda root: ((root / "scorer").mkdir(), (root / "scorer/score.py").write_text("1.0")),
    "beside the scorer": lambda root: (
        (root / "scorer").mkdir(),
        (root / "scorer/more.py").write_text("1.0"),
    ),
    "instead of the scorer": lambda root: (root / "scorer").write_text("1.0"),
}


@pytest.mark.parametrize("what", OUTSIDE)
def test_changes_outside_of_the_allowed_paths(edited: Path, take: TakeIn, what: str) -> None:
    OUTSIDE[what](edited)
    with pytest.raises(IntakeError) as raised:
        take()
    assert "candidate" in raised.value.remedy


def test_the_scorer_cannot_be_replaced_even_where_everything_is_allowed(edited: Path, take: TakeIn) -> None:
    (edited / "scorer").write_text("1.0")
    with pytest.raises(IntakeError, match="scorer"):
        take(allowed=(".",))


SPECIAL: dict[str, Callable[[Path], object]] = {
    "a link out": lambda src: (src / "l").symlink_to("/etc/passwd"),
    "a link up": lambda src: (src / "l").symlink_to("../../x"),
    "a link instead of a file": lambda src: (
        (src / "model.py").unlink(),
        (src / "model.py").symlink_to("/etc/passwd"),
    ),
    "a link instead of a folder": lambda src: (
        (src / "deep").rename(src.parent.parent / "moved"),
        (src / "deep").symlink_to(src.parent.parent / "moved"),
    ),
    "a named pipe": lambda src: os.mkfifo(src / "pipe"),
    "a named pipe instead": lambda src: ((src / "model.py").unlink(), os.mkfifo(src / "model.py")),
    "a socket": lambda src: bind(src),
    "a hard link": lambda src: os.link(src / "model.py", src / "twin.py"),
    "a hard link from outside": lambda src: (
        os.link("/etc/hostname", src / "host")
        if os.stat("/etc/hostname").st_dev == src.stat().st_dev
        else os.link(src.parent / "params.json", src / "host")
    ),
    "a nested repository": lambda src: (src / ".git").mkdir(),
    "a git file": lambda src: (src / ".git").write_text("gitdir: /tmp/evil"),
    "upper case": lambda src: (src / ".GIT").mkdir(),
    "an NTFS name": lambda src: (src / "git~1").mkdir(),
    "an HFS name": lambda src: (src / ".g\u200cit").mkdir(),
    "attributes": lambda src: (src / ".gitattributes").write_text("* filter=evil"),
    "modules": lambda src: (src / ".gitmodules").write_text("[submodule]"),
    "a line break": lambda src: (src / "a\nb").write_text(""),
    "not UTF-8": lambda src: Path(os.fsdecode(os.fsencode(src) + b"/\xff")).write_text(""),
    "sparse": lambda src: sparse(src / "giant"),
    "sparse instead": lambda src: sparse(src / "model.py"),
    "many": lambda src: [(src / f"f{number}").write_text("") for number in range(60)],
    "many folders": lambda src: [(src / f"f{number}").mkdir() for number in range(60)],
    "too much": lambda src: [(src / f"f{number}").write_bytes(b"x" * 90_000) for number in range(4)],
    "deep": lambda src: deep(src),
}


def bind(src: Path) -> None:
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir(src)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("socket")
    finally:
        os.fchdir(here)
        os.close(here)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def deep(src: Path) -> None:
    here = os.open(src, os.O_RDONLY)
    for _ in range(600):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


@pytest.mark.parametrize("what", SPECIAL)
def test_what_is_refused_even_in_the_allowed_paths(
    repository: Repository, edited: Path, take: TakeIn, what: str
) -> None:
    refs = repository.refs("refs")
    SPECIAL[what](edited / "src")
    with pytest.raises(IntakeError) as raised:
        take(IntakeLimits(file_bytes=100_000, total_bytes=300_000, files=50))
    assert "src/" in raised.value.message
    assert repository.refs("refs") == refs


def test_a_link_instead_of_the_workspace(
    repository: Repository, edited: Path, tree: str, hidden: Hidden, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").symlink_to(edited)
    with pytest.raises(IntakeError):
        take_in(repository, tmp_path / "elsewhere", tree, ALLOWED, hidden)


def test_a_file_swapped_while_it_is_read(
    edited: Path, take: TakeIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("host secret\n")
    real_open = os.open

    def racing(
        swap: Callable[[Path], object], path: object, flags: int, *more: object, **options: object
    ) -> int:
        if path == "model.py":
            target = edited / "src/model.py"
            target.unlink(missing_ok=True)
            swap(target)
        return real_open(path, flags, *more, **options)

    for swap in (
        lambda target: target.symlink_to(secret),
        lambda target: os.mkfifo(target),
        lambda target: target.write_text("other"),
        lambda target: os.link(secret, target),
        lambda target: target.mkdir(),
    ):
        target = edited / "src/model.py"
        target.rmdir() if target.is_dir() else target.unlink(missing_ok=True)
        target.write_text("x = 2\n")
        with monkeypatch.context() as patch:
            patch.setattr(os, "open", partial(racing, swap))
            with pytest.raises(IntakeError):
                take()


def test_a_folder_swapped_for_a_link(
    edited: Path, take: TakeIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real_open = os.open

    def racing(path: object, flags: int, *more: object, **options: object) -> int:
        if path == "deep" and not (edited / "src/deep").is_symlink():
            (edited / "src/deep").rename(tmp_path / "moved")
            (edited / "src/deep").symlink_to(tmp_path / "moved")
        return real_open(path, flags, *more, **options)

    monkeypatch.setattr(os, "open", racing)
    with pytest.raises(IntakeError):
        take()


def test_caches_are_left_out_and_told(repository: Repository, edited: Path, take: TakeIn, tree: str) -> None:
    (edited / "src/__pycache__").mkdir()
    (edited / "src/__pycache__/model.pyc").write_bytes(b"evil")
    (edited / "__pycache__").mkdir()
    taken = take()
    assert taken == IntakeResult(tree, (), ("__pycache__", "src/__pycache__"))


def test_a_large_file_of_the_base_may_stay_but_not_change(
    repository: Repository, tmp_path: Path, tree: str, hidden: Hidden
) -> None:
    base = repository.edit_tree(tree, {"src/data.bin": Blob(b"x" * 5000), "weights": Blob(b"y" * 5000)})
    limits = IntakeLimits(file_bytes=1000)
    with WorkspacePool(repository, tmp_path / "pool", hidden).private(base) as workspace:
        assert take_in(repository, workspace.path, base, ALLOWED, hidden, limits).tree == base
        (workspace.path / "src/data.bin").write_bytes(b"z" * 5000)
        with pytest.raises(IntakeError, match="5000 bytes, more than 1000 bytes"):
            take_in(repository, workspace.path, base, ALLOWED, hidden, limits)


def test_a_submodule_stays_empty(repository: Repository, tmp_path: Path, tree: str, hidden: Hidden) -> None:
    base = repository.edit_tree(tree, {"src/lib": Blob(oid=repository.head(), mode=0o160000)})
    with WorkspacePool(repository, tmp_path / "pool", hidden).private(base) as workspace:
        assert take_in(repository, workspace.path, base, ALLOWED, hidden).tree == base
        (workspace.path / "src/lib/a").write_text("")
        with pytest.raises(IntakeError, match="submodule"):
            take_in(repository, workspace.path, base, ALLOWED, hidden)


def test_nothing_that_is_planted_runs(
    folder: Path, repository: Repository, edited: Path, take: TakeIn, tmp_path: Path, git: Git
) -> None:
    """An embedded repository with every hook and setting that git would run."""
    proof = tmp_path / "proof"
    script = f"#!/bin/sh\ntouch '{proof}'\n"
    for place in (edited, edited / "src"):
        git(place, "init", "-q")
        for key in ("core.fsmonitor", "filter.evil.clean", "filter.evil.process", "diff.evil.textconv",
                    "gpg.program",
                    "core.sshCommand", "core.pager", "diff.external"):  # fmt: skip
            git(place, "config", key, f"touch '{proof}'")
        for hook in ("pre-commit", "post-index-change", "reference-transaction", "post-checkout"):
            (place / ".git/hooks").mkdir(exist_ok=True)
            (place / ".git/hooks" / hook).write_text(script)
            (place / ".git/hooks" / hook).chmod(0o755)
    proof.unlink(missing_ok=True)
    with pytest.raises(IntakeError, match=r"resembles `\.git`"):
        take()
    assert not proof.exists()


def test_unreadable_files(edited: Path, take: TakeIn, monkeypatch: pytest.MonkeyPatch) -> None:
    real_open = os.open

    def refusing(path: object, flags: int, *more: object, **options: object) -> int:
        if path == "model.py":
            raise PermissionError(13, "Permission denied", path)
        return real_open(path, flags, *more, **options)

    monkeypatch.setattr(os, "open", refusing)
    with pytest.raises(IntakeError, match="Permission denied"):
        take()
