"""Objects: read through one long-lived `git cat-file`, written as loose files without any process."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
import zlib
from collections.abc import Iterator, Sequence
from typing import IO, NamedTuple

from lab_plugin.errors import RepositoryError
from lab_plugin.repository._git import Git

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
# Requests of one round must fit into a pipe (64 KiB), or both sides would wait; blobs may be large.
_IN_FLIGHT = {"blob": 64, "tree": 512, "commit": 512}


class Info(NamedTuple):
    """What an object is; `size` in bytes."""

    oid: str
    kind: str
    size: int


class Objects:
    """The object store of one repository; safe for use by several threads."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._folder = git.common_dir / "objects"
        self._lock = threading.RLock()
        self._process: subprocess.Popen[bytes] | None = None

    def info(self, name: str) -> Info | None:
        """Look up an object id or a full ref name; None when there is no such object."""
        with self._lock:
            pipe = self._ask([f"info {name}"])
            return self._header(pipe)

    def read(self, oid: str, kind: str) -> bytes:
        """Read one object.

        Raises:
            RepositoryError: It is missing, or of another kind.
        """
        return next(iter(self.read_many([oid], kind)))

    def read_many(self, oids: Sequence[str], kind: str) -> Iterator[bytes]:
        """Read objects in the given order, without waiting for each one.

        Raises:
            RepositoryError: One is missing, or of another kind.
        """
        for oid, item in self._fetch(oids, kind):
            if item is None:
                raise RepositoryError(
                    f"The {kind} {oid} is missing from {self._git.common_dir}.",
                    "Run `git fsck`; restore the object by fetching from a clone that has it.",
                )
            if item[0] != kind:
                raise RepositoryError(f"{oid} is a {item[0]}, not a {kind}.")
            yield item[1]

    def find_many(self, oids: Sequence[str], kind: str) -> Iterator[bytes | None]:
        """Read objects in the given order; None for one that is missing, unreadable or of another kind."""
        done = 0
        try:
            for _, item in self._fetch(oids, kind):
                yield item[1] if item is not None and item[0] == kind else None
                done += 1
        except RepositoryError:
            # One object ended the process for all that were asked for with it: now each by itself.
            for oid in oids[done : done + _IN_FLIGHT[kind]]:
                yield self._find(oid, kind)
            yield from self.find_many(oids[done + _IN_FLIGHT[kind] :], kind)

    def _find(self, oid: str, kind: str) -> bytes | None:
        try:
            return self.read(oid, kind)
        except RepositoryError:
            return None

    def _fetch(self, oids: Sequence[str], kind: str) -> Iterator[tuple[str, tuple[str, bytes] | None]]:
        step = _IN_FLIGHT[kind]
        for start in range(0, len(oids), step):
            chunk = oids[start : start + step]
            with self._lock:
                pipe = self._ask([f"contents {oid}" for oid in chunk])
                found = [self._body(pipe) for _ in chunk]
            yield from zip(chunk, found, strict=True)

    def write(self, kind: str, data: bytes) -> str:
        """Store an object and return its id. A kill at any moment leaves no broken object."""
        body = b"%s %d\0" % (kind.encode(), len(data)) + data
        oid = hashlib.sha1(body, usedforsecurity=False).hexdigest()
        folder, name = self._folder / oid[:2], oid[2:]
        try:
            if (folder / name).stat().st_size > 0:
                return oid
        except OSError:
            pass
        try:
            self._store(str(folder), name, zlib.compress(body, 1))
        except OSError as error:
            raise RepositoryError(
                f"An object cannot be written below {self._folder}: {error.strerror}.",
                "Check free space and permissions of the repository.",
            ) from error
        return oid

    def close(self) -> None:
        """End the reading process; a later read starts it again."""
        with self._lock:
            process, self._process = self._process, None
            if process is None:
                return
            assert process.stdin is not None and process.stdout is not None
            process.kill()
            process.stdin.close()
            process.stdout.close()
            process.wait()

    def _store(self, folder: str, name: str, packed: bytes) -> None:
        # git's own prefix: `git gc` removes what a kill leaves behind.
        temporary = os.path.join(folder, f"tmp_obj_{os.urandom(6).hex()}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        try:
            file = os.open(temporary, flags, 0o444)
        except FileNotFoundError:
            os.makedirs(folder, exist_ok=True)
            # A repository shared by a group has group bits on its objects folder.
            os.chmod(folder, self._folder.stat().st_mode & 0o7777)
            file = os.open(temporary, flags, 0o444)
        try:
            with open(file, "wb", buffering=0) as target:
                view = memoryview(packed)
                while view:
                    view = view[target.write(view) :]
            os.rename(temporary, os.path.join(folder, name))
        except BaseException:
            os.unlink(temporary)
            raise

    def _ask(self, lines: list[str]) -> IO[bytes]:
        if any("\n" in line for line in lines):
            raise RepositoryError("A name with a line break cannot be looked up.")
        request = os.fsencode("\n".join(lines) + "\n")
        for _ in range(2):
            if self._process is None or self._process.poll() is not None:
                self.close()
                self._process = self._git.start("cat-file", "--batch-command")
            assert self._process.stdin is not None and self._process.stdout is not None
            try:
                self._process.stdin.write(request)
                self._process.stdin.flush()
                return self._process.stdout
            except BrokenPipeError:
                self.close()
        raise RepositoryError(f"git cat-file does not run in {self._git.common_dir}.")

    def _header(self, pipe: IO[bytes]) -> Info | None:
        line = pipe.readline()
        words = line.split()
        if len(words) == 3 and words[2].isdigit() and line.endswith(b"\n"):
            return Info(words[0].decode(), words[1].decode(), int(words[2]))
        if line.endswith((b" missing\n", b" ambiguous\n")):
            return None
        self.close()
        raise RepositoryError(
            f"git cat-file stopped in {self._git.common_dir}: an object is unreadable.", "Run `git fsck`."
        )

    def _body(self, pipe: IO[bytes]) -> tuple[str, bytes] | None:
        info = self._header(pipe)
        if info is None:
            return None
        data = pipe.read(info.size)
        if len(data) != info.size or pipe.read(1) != b"\n":
            self.close()
            raise RepositoryError(f"git cat-file stopped while it sent {info.oid}.", "Run `git fsck`.")
        return info.kind, data
