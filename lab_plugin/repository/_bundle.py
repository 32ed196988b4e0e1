"""Objects and refs as one file, in git's bundle format, version 2: written here, and read from anybody.

`git clone FILE` and `git fetch FILE` take it too. Reading one trusts nothing: the header is read here, git
checks every object of the pack against its id, with bounds on memory, time and disk, and no ref outside the
lab's is made.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from lab_plugin.errors import RepositoryError
from lab_plugin.repository._git import ENVIRONMENT, FLAGS, Git, find_git

_MAGIC = b"# v2 git bundle\n"
_REF = re.compile(rb"([0-9a-f]{40}) (refs/(?:heads/lab|lab)/[\w./-]{1,400})")
_REFS = 1_000_000
# The same objects make the same pack, whatever the repository is configured to, and however it keeps them.
_STEADY = (
    "pack.window=10",
    "pack.depth=50",
    "pack.windowMemory=0",
    "pack.compression=6",
    "pack.threads=1",
    "pack.useBitmaps=false",
    "pack.useSparse=false",
    "core.bigFileThreshold=64m",
)
_SECONDS = 900
_MEMORY = 4 << 30
_OBJECT = 1 << 30
_TOTAL = 64 << 30
# A process of its own, so that the bounds hold from git's first moment.
_BOUNDED = (
    "import os, resource, sys\n"
    "for kind, value in ((resource.RLIMIT_AS, int(sys.argv[1])), (resource.RLIMIT_CPU, int(sys.argv[2]))):\n"
    "    hard = resource.getrlimit(kind)[1]\n"
    "    value = value if hard < 0 else min(value, hard)\n"
    "    resource.setrlimit(kind, (value, value))\n"
    "os.execvp(sys.argv[3], sys.argv[3:])\n"
)


def write_bundle(git: Git, refs: Mapping[str, str], target: BinaryIO) -> None:
    """See `Repository.write_bundle`."""
    target.write(_MAGIC)
    for name in sorted(refs):
        target.write(f"{refs[name]} {name}\n".encode("ascii"))
    target.write(b"\n")
    settings = [part for setting in _STEADY for part in ("-c", setting)]
    options = ("--revs", "--stdout", "--delta-base-offset", "--no-reuse-delta", "--no-reuse-object", "-q")
    wanted = "".join(f"{oid}\n" for oid in sorted(set(refs.values())))
    with git.start(*settings, "pack-objects", *options) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(wanted.encode("ascii"))
        process.stdin.close()
        shutil.copyfileobj(process.stdout, target, 1 << 20)
        process.stdout.close()
        if process.wait() != 0:
            raise RepositoryError(
                f"git pack-objects failed in {git.git_dir} (exit status {process.returncode}).",
                "Look at `git fsck`: an object of the lab's history is missing.",
            )


def unpack_bundle(source: Path, folder: Path) -> dict[str, str]:
    """Make a repository of its own from a bundle.

    Args:
        source: The bundle; it may come from anybody.
        folder: Where to; made when missing, and empty.

    Returns:
        Its refs: full name -> object id.

    Raises:
        RepositoryError: It is no bundle, not whole, too large, or has refs that are not a lab's.
    """
    program = find_git()
    _call(
        [program, *FLAGS, "init", "--quiet", "--template=", "--initial-branch=none", str(folder)],
        folder.parent,
    )
    prefix = [program, f"--git-dir={folder / '.git'}", *FLAGS]
    with source.open("rb") as stream:
        refs = _header(stream)
        size = source.stat().st_size
        command = ["index-pack", "--stdin", "--threads=1", f"--max-input-size={size + 1}"]
        _bounded([*prefix, *command], folder, stream)
    _require_small(prefix, folder)
    names = "".join(f"create {name} {oid}\n" for name, oid in refs.items())
    _call([*prefix, "update-ref", "--stdin"], folder, names.encode())
    _bounded(
        [*prefix, "rev-list", "--objects", "--quiet", "--stdin"], folder, "\n".join(refs.values()).encode()
    )
    return refs


def _header(stream: BinaryIO) -> dict[str, str]:
    if stream.readline(100) != _MAGIC:
        raise RepositoryError("It is no git bundle of version 2.")
    refs: dict[str, str] = {}
    while (line := stream.readline(500)) != b"\n":
        found = _REF.fullmatch(line.removesuffix(b"\n"))
        if found is None or not line.endswith(b"\n"):
            raise RepositoryError(f"Its header has a line that is no ref of a lab: {line[:100]!r}.")
        name = found[2].decode("ascii")
        if name in refs or len(refs) >= _REFS:
            raise RepositoryError(f"Its header names {name} twice, or too many refs.")
        refs[name] = found[1].decode("ascii")
    # index-pack reads the descriptor itself, behind what was buffered here.
    os.lseek(stream.fileno(), stream.tell(), os.SEEK_SET)
    return refs


def _require_small(prefix: Sequence[str], folder: Path) -> None:
    """See that no object is larger than can be read; a pack of a megabyte may hold gigabytes."""
    form = "--batch-check=%(objectsize)"
    listing = _bounded([*prefix, "cat-file", "--batch-all-objects", "--unordered", form], folder, b"")
    sizes = [int(line) for line in listing.split()]
    if max(sizes, default=0) > _OBJECT or sum(sizes) > _TOTAL:
        raise RepositoryError(
            f"Its largest object has {max(sizes)} bytes, all together {sum(sizes)}: more than is read."
        )


def _bounded(command: Sequence[str], folder: Path, stdin: BinaryIO | bytes) -> bytes:
    # git maps packs into memory as they are.
    memory = _MEMORY + 2 * sum(path.stat().st_size for path in folder.rglob("*.pack"))
    bounds = [sys.executable, "-I", "-S", "-c", _BOUNDED, str(memory), str(_SECONDS)]
    return _call([*bounds, *command], folder, stdin)


def _call(command: Sequence[str], folder: Path, stdin: BinaryIO | bytes = b"") -> bytes:
    environment = {**ENVIRONMENT, "PATH": os.environ.get("PATH", os.defpath)}
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            timeout=2 * _SECONDS,
            check=False,
            input=stdin if isinstance(stdin, bytes) else None,
            stdin=None if isinstance(stdin, bytes) else stdin,
        )
    except (subprocess.TimeoutExpired, OSError) as error:
        raise RepositoryError(f"git cannot read it: {error}.") from error
    if done.returncode != 0:
        words = done.stderr.decode("utf-8", "replace").strip().removeprefix("fatal: ")
        raise RepositoryError(f"git cannot read it: {words[:500] or f'exit status {done.returncode}'}.")
    return done.stdout
