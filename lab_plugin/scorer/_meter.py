"""Measuring an environment: by stat at every look, by content where the stat says so, and at times wholly."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from lab_plugin.errors import LockError
from lab_plugin.scorer._bytecode import is_cached, require_compiled
from lab_plugin.scorer._environment import (
    Environment,
    Probe,
    digest_parts,
    interpreter,
    part_of,
    probe_interpreter,
)
from lab_plugin.scorer._manifest import Root
from lab_plugin.scorer._stat_cache import FileStat, Known, StatCache, now_ns, read_sealed, write_sealed

_SHARE = 20.0
"""A look by stat may be this many times its own cost old: a campaign spends a twentieth on them at most."""
_WHOLE_SECONDS = 3600.0
_THREADS = min(8, os.cpu_count() or 1)
_BATCH = 200
_CHUNK = 1 << 20


@dataclass(frozen=True)
class _Head:
    """What is known of an environment.

    Attributes:
        probe: What the interpreter said.
        manifest: Digest of the stat manifest at the moment when `content` was known.
        content: Part -> digest.
        settled: Every digest is proved by its file's stat; some file changed just now otherwise.
        whole: When all files were last read, seconds since 1970.
    """

    probe: Probe
    manifest: str
    content: Mapping[str, str]
    settled: bool
    whole: float


class EnvironmentMeter:
    """Measures the environment of one interpreter; remembers it on disk. Safe for several threads.

    A measurement that differs from what is remembered is not remembered itself, unless it is trusted, which
    is what `lab lock` does. So a change is found by every later run too, and bytecode that came with it is
    never believed.

    Args:
        python: The interpreter; None for the one that runs the lab.
        folder: Where to remember, outside of every sandbox.
    """

    def __init__(self, python: Path | None, folder: Path) -> None:
        self._python = python
        name = hashlib.blake2b(os.path.abspath(interpreter(python)).encode(), digest_size=8).hexdigest()
        self._head_file = folder / f"{name}.json"
        self._files_file = folder / f"{name}.files"
        self._head: _Head | None = None
        self._lock = threading.Lock()
        self._last: Environment | None = None
        self._looked = 0.0
        self._cost = 0.0
        self.changed: tuple[str, ...] = ()
        """Files that the latest measurement found changed, added or removed since what is remembered."""

    def recent(self) -> Environment:
        """The environment at most a while ago: twenty times as long as a look at it takes.

        Raises:
            LockError: It cannot be measured, or holds bytecode that is not what its source compiles to.
        """
        with self._lock:
            if self._last is not None and time.monotonic() - self._looked < _SHARE * self._cost:
                return self._last
        return self.measure()

    def measure(self, *, whole: bool = False, trust: bool = False) -> Environment:
        """The environment now, by the stat of every file.

        Args:
            whole: Read every file again, unless all were within the last hour.
            trust: Take what is found as it is, and remember it.

        Raises:
            LockError: As `recent`.
        """
        with self._lock:
            began = time.monotonic()
            head = self._head or self._load()
            manifest = head.probe.manifest().digest() if head is not None else ""
            self._cost = time.monotonic() - began
            due = whole and (head is None or not 0 <= time.time() - head.whole < _WHOLE_SECONDS)
            if head is None or due or not head.settled or head.manifest != manifest:
                found = self._read(head, whole=due, trust=trust)
            else:
                self._head, self.changed = head, ()
                found = head.probe.environment(head.content)
            self._last, self._looked = found, time.monotonic()
            return found

    def _read(self, head: _Head | None, *, whole: bool, trust: bool) -> Environment:
        probe = probe_interpreter(self._python)
        before, files = probe.manifest().read()
        cache = StatCache(self._files_file)
        known = {path: digest for path in files if (digest := cache.last(path))} if head is not None else {}
        self.changed = tuple(sorted(set(cache.paths()) - files.keys())) if head is not None else ()
        digests = _digest(files, cache, whole=whole)
        new = sorted(path for path, digest in digests.items() if known.get(path) != digest)
        self.changed += tuple(path for path in new if not is_cached(path)) if head is not None else ()
        content = _content(files, digests)
        fresh = _Head(probe, before, content, True, time.time() if whole or head is None else head.whole)
        if head is None or trust or content == head.content:
            if head is not None and not trust:
                require_compiled(
                    interpreter(self._python), probe.tag, [path for path in new if is_cached(path)]
                )
            cache.keep_only(files)
            cache.save()
            settled = all(cache.get(path, found) is not None for path, (_, found) in files.items())
            self._save(replace(fresh, settled=settled))
        return probe.environment(content)

    def _load(self) -> _Head | None:
        body = read_sealed(self._head_file)
        if body is None:
            return None
        row = json.loads(body)
        return _Head(Probe(row["probe"]), row["manifest"], row["content"], row["settled"], row["whole"])

    def _save(self, head: _Head) -> None:
        self._head = head
        row = {
            "probe": head.probe.answer,
            "manifest": head.manifest,
            "content": head.content,
            "settled": head.settled,
            "whole": head.whole,
        }
        try:
            write_sealed(self._head_file, json.dumps(row).encode())
        except OSError:
            # What is on disk is older, and makes the next process look at every file.
            return


def _digest(files: Mapping[str, tuple[Root, FileStat]], cache: StatCache, *, whole: bool) -> dict[str, str]:
    """Path -> digest of its content; only what the cache cannot prove is read, unless all is wanted."""
    digests: dict[str, str] = {}
    unread: list[str] = []
    for path, (_, found) in files.items():
        digest = None if whole else cache.get(path, found)
        if digest is None:
            unread.append(path)
        else:
            digests[path] = digest
    # A thread's turn costs more than hashing a small file.
    batches = [unread[start : start + _BATCH] for start in range(0, len(unread), _BATCH)]
    with ThreadPoolExecutor(_THREADS) as pool:
        for batch, read in zip(batches, pool.map(_read_files, batches), strict=True):
            for path, known in zip(batch, read, strict=True):
                cache.put(path, known)
                digests[path] = known.digest
    return digests


def _read_files(paths: list[str]) -> list[Known]:
    return [_read_file(path) for path in paths]


def _read_file(path: str) -> Known:
    try:
        with open(path, "rb", buffering=0) as stream:
            found = FileStat.of(os.fstat(stream.fileno()))
            began = now_ns()
            digest = hashlib.blake2b(digest_size=20)
            while data := stream.read(_CHUNK):
                digest.update(data)
            if FileStat.of(os.fstat(stream.fileno())) == found:
                return Known(found, began, digest.hexdigest())
    except OSError as error:
        raise LockError(
            f"The environment's file {path} cannot be read: {error.strerror}.", "Make it readable."
        ) from error
    raise LockError(f"{path} changed while it was read.", "Run the command again when nothing is installed.")


def _content(files: Mapping[str, tuple[Root, FileStat]], digests: Mapping[str, str]) -> dict[str, str]:
    parts: dict[str, dict[str, str]] = {}
    for path, (root, _) in files.items():
        if is_cached(path):
            continue
        if part := part_of(root, path):
            parts.setdefault(part, {})[_relative(root, path)] = digests[path]
    return digest_parts(parts)


def _relative(root: Root, path: str) -> str:
    return path[len(root.path) + 1 :] or os.path.basename(path)


def shown_changes(paths: Iterable[str], most: int = 10) -> tuple[str, ...]:
    """Lines that name changed files of an environment, the first ones."""
    found = tuple(paths)
    more = (f"and {len(found) - most} files more",) if len(found) > most else ()
    return (*(f"  in the environment: {path}" for path in found[:most]), *more)
