"""Compiled bytecode: believed only where it is what its source compiles to.

Python runs a `__pycache__/name.tag.pyc` without a look at its source's content: equal times and size in its
header are enough, or a flag. So a changed one is a way into every program of an environment.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Collection, Iterator, Sequence

from lab_plugin.errors import LockError

_SECONDS = 600
_PARTIAL = re.compile(r"/__pycache__/[^/]+\.pyc\.\d+$")
_PROGRAM = """
import json, marshal, sys, types

def same(one, other):
    if type(one) is not type(other):
        return False
    if isinstance(one, types.CodeType):
        pairs = [(getattr(one, name), getattr(other, name)) for name in NAMES]
        return all(callable(left) or same(left, right) for left, right in pairs)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, frozenset):
        return sorted(map(repr, one)) == sorted(map(repr, other))
    return one == other and repr(one) == repr(other)

NAMES = [name for name in dir(types.CodeType) if name.startswith("co_")]
NAMES = [name for name in NAMES if name not in ("co_filename", "co_lnotab")]
sys.setrecursionlimit(5000)
wrong = []
for compiled, source, level in json.load(sys.stdin):
    try:
        with open(compiled, "rb") as stream:
            code = marshal.loads(stream.read()[16:])
        with open(source, "rb") as stream:
            wanted = compile(stream.read(), source, "exec", dont_inherit=True, optimize=level)
        fine = same(code, wanted)
    except Exception:
        fine = False
    if not fine:
        wrong.append(compiled)
print(json.dumps(wrong))
"""


def is_cached(path: str) -> bool:
    """Whether a path is bytecode beside a source, which is no content of its own."""
    folder, _, name = path.rpartition("/")
    return name.endswith(".pyc") and folder.endswith("/__pycache__")


def is_partial(path: str) -> bool:
    """Whether a path is bytecode that Python is writing, or was killed over: it is never run from there."""
    return _PARTIAL.search(path) is not None


def require_compiled(python: str, tag: str, paths: Collection[str]) -> None:
    """See that bytecode is what its source compiles to.

    Args:
        python: The interpreter that would run it.
        tag: Its cache tag, `cpython-311`; it never runs files with another one.
        paths: Bytecode files in `__pycache__` folders.

    Raises:
        LockError: Some is not.
    """
    if not (work := list(_sources(tag, paths))):
        return
    wrong = _compare(python, work)
    if wrong:
        shown = "".join(f"\n  {path}" for path in wrong[:20])
        raise LockError(
            f"Compiled bytecode in the environment is not what its source compiles to:{shown}",
            "Delete it (Python makes it again), and find out who wrote it: it would run in every trial.",
        )


def _sources(tag: str, paths: Collection[str]) -> Iterator[tuple[str, str, int]]:
    """Bytecode that the interpreter would run, its source, and the level of optimisation."""
    for path in sorted(paths):
        folder, name = os.path.split(path)
        stem, _, rest = name.removesuffix(".pyc").partition(f".{tag}")
        level = rest.removeprefix(".opt-") or "0"
        if f".{tag}" not in name or level not in ("0", "1", "2"):
            continue
        source = os.path.join(os.path.dirname(folder), f"{stem}.py")
        # Without its source it is never run.
        if os.path.exists(source):
            yield path, source, int(level)


def _compare(python: str, work: Sequence[tuple[str, str, int]]) -> list[str]:
    try:
        done = subprocess.run(
            [python, "-I", "-S", "-W", "ignore", "-c", _PROGRAM],
            input=json.dumps(list(work)),
            capture_output=True,
            check=True,
            text=True,
            timeout=_SECONDS,
            cwd="/",
        )
        return [str(path) for path in json.loads(done.stdout)]
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise LockError(
            f"The environment's bytecode cannot be compared with its sources: {error}.",
            "Delete the __pycache__ folders that changed since the lock; Python makes them again.",
        ) from error
