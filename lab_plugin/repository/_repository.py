"""The user's repository, as the lab may use it: objects and refs, never the index or the working tree."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

from lab_plugin.errors import RepositoryError
from lab_plugin.repository import _bundle, _diff, _merge, _refs
from lab_plugin.repository._diff import LIMIT, DiffStat
from lab_plugin.repository._git import Git, bare, discover, failure, find_git
from lab_plugin.repository._objects import EMPTY_TREE, Objects
from lab_plugin.repository._raw import RawCommit, with_signature
from lab_plugin.repository._refs import RefChange
from lab_plugin.repository._remote import Remote
from lab_plugin.repository._trees import EXECUTABLE, FILE, FOLDER, Blob, Change, Entry, Trees

IDENTITY = "prefect-lab <prefect-lab@localhost>"
_OID = re.compile(r"[0-9a-f]{40}")


class Commit(NamedTuple):
    """A commit as git lists it.

    Attributes:
        oid: Its id.
        tree: Its tree.
        parents: First parent first.
        message: The raw message.
    """

    oid: str
    tree: str
    parents: tuple[str, ...]
    message: bytes

    @classmethod
    def parse(cls, text: bytes) -> Commit:
        """Read one commit of git's list."""
        ids, _, message = text.partition(b"\n")
        oid, tree, *parents = ids.decode("ascii").split()
        return cls(oid, tree, tuple(parents), message[:-1])


class Repository:
    """One git repository.

    Reads and writes objects and refs only. HEAD, index, working tree, stash, configuration and the
    user's branches are never changed. All methods may be called from several threads; none awaits.

    Attributes:
        top: Top folder of the working tree.
        git_dir: The git folder of this working tree.
        common_dir: The git folder shared by all its worktrees.
    """

    def __init__(self, git: Git, top: Path) -> None:
        self.top = top
        self.git_dir = git.git_dir
        self.common_dir = git.common_dir
        self._git = git
        self._objects = Objects(git)
        self._trees = Trees(self._objects)

    @classmethod
    def open(cls, path: Path) -> Repository:
        """Open the repository that a folder lies in.

        Raises:
            RepositoryError: There is none, it is bare or in an unsupported format, or git is missing or
                too old.
        """
        return cls(*discover(find_git(), path))

    @classmethod
    def bare(cls, folder: Path) -> Repository:
        """A repository of the lab's own, without a working tree; made when it is missing.

        Raises:
            RepositoryError: It cannot be made, or git is missing or too old.
        """
        return cls(bare(find_git(), folder), folder)

    def close(self) -> None:
        """End the reading process. Idempotent; a later call starts it again."""
        self._objects.close()

    # --- revisions -------------------------------------------------------------------------------------

    def head(self) -> str:
        """The commit that is checked out.

        Raises:
            RepositoryError: There is no commit yet.
        """
        result = self._git.attempt("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        if result.status != 0:
            raise RepositoryError(
                f"{self.top} has no commit yet.",
                "Commit your code first: git add -A && git commit -m 'Start'.",
            )
        return result.stdout.decode("ascii").strip()

    def branch(self) -> str | None:
        """The branch that is checked out, `main`; None for a detached HEAD."""
        result = self._git.attempt("symbolic-ref", "--quiet", "--short", "HEAD")
        return os.fsdecode(result.stdout).strip() if result.status == 0 else None

    def resolve(self, revision: str) -> str:
        """The commit that a person means by a name, an abbreviated id or an expression.

        Raises:
            RepositoryError: There is no such commit, or several.
        """
        if "\0" not in revision and "\n" not in revision:
            result = self._git.attempt("rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
            found = os.fsdecode(result.stdout).split()
            if result.status == 0 and found and _OID.fullmatch(found[-1]):
                return found[-1]
        raise RepositoryError(
            f"{revision!r} names no commit in {self.top}.",
            "Give a branch, a tag or a commit id; see `git log`.",
        )

    def is_dirty(self, *, untracked: bool = False) -> bool:
        """Whether the user's working tree or index differs from HEAD; the index is not even refreshed.

        Args:
            untracked: Count files that git does not know and does not ignore.
        """
        output = self._git.run(
            *("--work-tree", str(self.top), "status", "--porcelain", "-z", "--ignore-submodules=dirty"),
            f"--untracked-files={'normal' if untracked else 'no'}",
        )
        return bool(output)

    def checked_out(self, branch: str) -> Path | None:
        """The working tree that a branch is checked out in, None when there is none.

        Args:
            branch: Its short name, `main`.
        """
        return _merge.worktrees(self._git).get(branch)

    def checked_out_branches(self) -> frozenset[str]:
        """The branches that any working tree has checked out, by short name."""
        return frozenset(_merge.worktrees(self._git))

    def is_ancestor(self, commit: str, descendant: str) -> bool:
        """Whether a commit is another one or comes before it."""
        result = self._git.attempt("merge-base", "--is-ancestor", commit, descendant)
        if result.status not in (0, 1):
            raise failure("git merge-base", self.top, result)
        return result.status == 0

    def merge_trees(self, ours: str, theirs: str) -> str:
        """Merge two commits in the object store alone and return the tree.

        Raises:
            RepositoryError: They conflict; the message names the files.
        """
        return _merge.merge_trees(self._git, ours, theirs)

    def merge_in_worktree(self, worktree: Path, branch: str, message: str) -> str:
        """Run `git merge` in a working tree of the user, with the user's own settings and name.

        Only for what the user asked for by name.

        Returns:
            The commit that is checked out then.

        Raises:
            RepositoryError: git refuses or finds conflicts; the working tree is as before.
        """
        return _merge.merge_in_worktree(self._git, worktree, branch, message)

    # --- commits ---------------------------------------------------------------------------------------

    def tree_of(self, commit: str) -> str:
        """The tree of a commit."""
        return next(iter(self.trees_of([commit])))

    def trees_of(self, commits: Sequence[str]) -> Iterator[str]:
        """The trees of many commits, quickly."""
        for data in self._objects.read_many(commits, "commit"):
            yield data[5:45].decode("ascii")

    def parents_of(self, commit: str) -> tuple[str, ...]:
        """The parents of a commit, first parent first."""
        header = self._objects.read(commit, "commit").partition(b"\n\n")[0]
        return tuple(line[7:].decode("ascii") for line in header.split(b"\n") if line.startswith(b"parent "))

    def commit_message(self, commit: str) -> str:
        """The whole message of a commit."""
        return self._objects.read(commit, "commit").partition(b"\n\n")[2].decode("utf-8", "replace")

    def read_commit(self, commit: str) -> bytes:
        """The raw content of a commit object."""
        return self._objects.read(commit, "commit")

    def read_commits(self, commits: Sequence[str]) -> Iterator[bytes]:
        """The raw contents of many commit objects, in order, quickly."""
        return self._objects.read_many(commits, "commit")

    def first_parents(self, commit: str, stop: str | None = None) -> list[Commit]:
        """A commit and its chain of first parents, newest first, up to but without `stop`.

        One process reads them all; it does not prove that their content has their ids.
        """
        exclude = [f"^{stop}"] if stop is not None else []
        form = ("--no-commit-header", "--encoding=UTF-8", "--format=%x00%H %T %P%n%B")
        output = self._git.run("rev-list", "--first-parent", *form, commit, *exclude, "--")
        return [Commit.parse(text) for text in output.split(b"\0")[1:]]

    def commit(
        self,
        tree: str,
        parents: Sequence[str],
        message: str,
        *,
        when: datetime | None = None,
        sign: Callable[[bytes], str] | None = None,
    ) -> str:
        """Write a commit by the lab (never by the user); no ref moves.

        Args:
            tree: Its tree.
            parents: Its parents, first parent first.
            message: Subject, or subject, empty line and body; a last line break is added.
            when: Time of the commit; default now.
            sign: Makes an armored ASCII signature of the commit's bytes; None for a commit without one.

        Raises:
            RepositoryError: The message holds a NUL byte, or nothing can be written.
            SigningError: It cannot be signed; nothing is written.
        """
        if "\0" in message:
            raise RepositoryError("A commit message cannot hold a NUL character.")
        stamp = f"{IDENTITY} {int((when or datetime.now(UTC)).timestamp())} +0000"
        lines = [
            f"tree {tree}",
            *(f"parent {parent}" for parent in parents),
            f"author {stamp}",
            f"committer {stamp}",
        ]
        body = message if message.endswith("\n") else message + "\n"
        data = "\n".join((*lines, "", body)).encode("utf-8", "backslashreplace")
        if sign is not None:
            data = with_signature(data, sign(data))
        if tree == EMPTY_TREE:
            self._objects.write("tree", b"")
        return self._objects.write("commit", data)

    def raw_commits(self, commits: Sequence[str]) -> Iterator[RawCommit | None]:
        """Many commits from their own bytes, in order, quickly; None for one that cannot be read."""
        for oid, data in zip(commits, self._objects.find_many(commits, "commit"), strict=True):
            yield None if data is None else RawCommit.parse(oid, data)

    def first_parent_ids(self, commit: str, stop: str | None = None) -> list[str]:
        """The ids of a commit and its chain of first parents, newest first, without those before `stop`."""
        exclude = [f"^{stop}"] if stop is not None else []
        return self._git.run("rev-list", "--first-parent", commit, *exclude, "--").decode("ascii").split()

    def count_first_parents(self, commits: Sequence[str], without: Sequence[str]) -> int:
        """How many commits are on the chains of first parents of some commits, and not before others."""
        if not commits:
            return 0
        exclude = [f"^{commit}" for commit in without]
        return int(self._git.run("rev-list", "--count", "--first-parent", *commits, *exclude, "--"))

    def remotes(self) -> tuple[str, ...]:
        """The names of the repository's remotes."""
        return tuple(os.fsdecode(self._git.run("remote")).split())

    def remote(self, name: str, *, push: bool = False, base: Path | None = None) -> Remote:
        """Another repository.

        Args:
            name: Of one of the repository's remotes, or an address.
            push: The address to push to, where a remote has two.
            base: The folder that a relative path starts from; None for the top of the working tree.

        Raises:
            RemoteError: It is no address.
        """
        if name in self.remotes():
            options = ("--push", "--", name) if push else ("--", name)
            name = os.fsdecode(self._git.run("remote", "get-url", *options)).strip()
        if ":" not in name and not os.path.isabs(name) and name and not name.startswith("-"):
            name = str(((base or self.top) / name).resolve())
        return Remote(self._git, name)

    @property
    def is_shallow(self) -> bool:
        """Whether this is a clone whose history was cut off."""
        return (self.common_dir / "shallow").exists()

    # --- trees and blobs -------------------------------------------------------------------------------

    def subtree(self, tree: str, path: str) -> str | None:
        """The tree at a path, None when there is no folder; the tree itself for "" and "."."""
        entry = self._trees.lookup(tree, path)
        return entry.oid if entry is not None and entry.mode == FOLDER else None

    def folder(self, tree: str) -> Mapping[str, Entry]:
        """The direct entries of a tree, in git's order."""
        return self._trees.folder(tree)

    def entries(self, tree: str, path: str = "") -> Mapping[str, Entry]:
        """All files, links and submodules below a folder, by path relative to it; empty when missing."""
        start = self.subtree(tree, path)
        return {} if start is None else self._trees.files(start)

    def changes(self, before: str, after: str) -> list[Change]:
        """The files, links and submodules that differ between two trees, sorted by path."""
        return sorted(self._trees.compare(before, after))

    def changed_paths(self, before: str, after: str) -> list[str]:
        """The paths that differ between two trees, sorted."""
        return [change.path for change in self.changes(before, after)]

    def blob_size(self, oid: str) -> int:
        """The size of a blob in bytes.

        Raises:
            RepositoryError: There is no such blob.
        """
        info = self._objects.info(oid)
        if info is None or info.kind != "blob":
            raise RepositoryError(f"There is no blob {oid} in {self.common_dir}.", "Run `git fsck`.")
        return info.size

    def read_blob(self, oid: str, limit: int | None = None) -> bytes:
        """The content of a blob.

        Args:
            oid: Its id.
            limit: Refuse more than this many bytes.

        Raises:
            RepositoryError: It is missing, or larger than `limit`.
        """
        if limit is not None and (size := self.blob_size(oid)) > limit:
            raise RepositoryError(f"The blob {oid} has {size} bytes, more than {limit}.")
        return self._objects.read(oid, "blob")

    def read_blobs(self, oids: Sequence[str]) -> Iterator[bytes]:
        """The contents of many blobs, in order, quickly."""
        return self._objects.read_many(oids, "blob")

    def read_file(self, tree: str, path: str, limit: int | None = None) -> bytes:
        """The content of a file of a tree.

        Raises:
            RepositoryError: There is no such file (a folder, link or submodule is none), or it is too large.
        """
        entry = self._trees.lookup(tree, path)
        if entry is None or entry.mode not in (FILE, EXECUTABLE):
            raise RepositoryError(f"There is no file {path} in the tree {tree}.")
        return self.read_blob(entry.oid, limit)

    def write_blob(self, data: bytes) -> str:
        """Store a blob and return its id."""
        return self._objects.write("blob", data)

    def edit_tree(self, tree: str, changes: Mapping[str, Blob | None]) -> str:
        """Apply changes to a tree and return the new one; only touched folders are rewritten.

        Args:
            tree: Where to start.
            changes: Path -> file, or None to delete it (also when it is not there).

        Raises:
            RepositoryError: A path can never be in a tree, or runs through a file that stays.
        """
        return self._trees.edit(tree, changes)

    def write_tree(self, files: Mapping[str, Blob]) -> str:
        """Write a tree of exactly these files."""
        return self._trees.edit(EMPTY_TREE, files)

    # --- refs ------------------------------------------------------------------------------------------

    def ref(self, name: str) -> str | None:
        """The object that a ref is at, None when it does not exist; no process is started.

        Args:
            name: Full name, `refs/...`.
        """
        if not name.startswith("refs/"):
            raise RepositoryError(f"{name!r} is not a full ref name.")
        info = self._objects.info(name)
        return None if info is None else info.oid

    def refs(self, prefix: str) -> dict[str, str]:
        """All refs below a prefix (`refs/lab/digits/`), or the one of that full name."""
        return _refs.read(self._git, prefix)

    def update_refs(self, changes: Iterable[RefChange], *, beyond_lab: bool = False) -> None:
        """Move refs in one transaction.

        Args:
            changes: In the order in which the refs move; put the one that decides first.
            beyond_lab: Allow refs outside `refs/lab/` and `refs/heads/lab/`; only what the user asked for.

        Raises:
            RefConflict: A ref was not what was expected; none moved.
            RepositoryError: git refuses; none moved.
        """
        if changes := list(changes):
            _refs.transact(self._git, changes, beyond_lab=beyond_lab)

    def write_bundle(self, refs: Mapping[str, str], target: BinaryIO) -> None:
        """Write refs, and all that they reach, as a git bundle.

        The same refs give the same bytes with the same version of git.

        Args:
            refs: Full name -> object id.
            target: Where to.

        Raises:
            RepositoryError: This is a shallow clone, or an object is missing.
        """
        if self.is_shallow:
            raise RepositoryError(f"{self.top} is a shallow clone.", "Run `git fetch --unshallow`.")
        _bundle.write_bundle(self._git, refs, target)

    # --- differences -----------------------------------------------------------------------------------

    def diff(self, before: str, after: str, paths: Sequence[str] = (), *, limit: int = LIMIT) -> str:
        """A unified diff of two commits or trees, at most `limit` bytes of it."""
        return _diff.diff(self._git, before, after, paths, limit)

    def diff_stat(self, before: str, after: str, paths: Sequence[str] = ()) -> DiffStat:
        """How many files and lines differ between two commits or trees."""
        return _diff.diff_stat(self._git, before, after, paths)
