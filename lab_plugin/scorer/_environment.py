"""The environment that a score is bound to: the interpreter, and the content of all that it can import."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab_plugin.errors import LockError
from lab_plugin.scorer._manifest import Manifest, Root

_PROBE = """
import importlib.metadata, json, os, platform, sys, sysconfig
names = {}
for distribution in importlib.metadata.distributions():
    name = distribution.metadata["Name"]
    if name:
        names.setdefault(name.lower().replace("_", "-"), distribution.version or "")
library = os.path.join(sysconfig.get_config_var("LIBDIR") or "", sysconfig.get_config_var("INSTSONAME") or "")
print(json.dumps({
    "python": platform.python_version(),
    "implementation": platform.python_implementation(),
    "machine": platform.machine(),
    "distributions": names,
    "executable": os.path.realpath(sys.executable),
    "library": os.path.realpath(library),
    "settings": os.path.join(sys.prefix, "pyvenv.cfg"),
    "stdlib": sysconfig.get_path("stdlib"),
    "path": sys.path,
    "prefixes": sorted({sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix, "/usr"}),
    "tag": sys.implementation.cache_tag or "",
}))
"""


@dataclass(frozen=True)
class Environment:
    """What runs the candidate and the scorer.

    Attributes:
        python: Version, `3.11.7`.
        implementation: `CPython`.
        machine: `x86_64`.
        distributions: Installed distribution -> version.
        content: Part of the environment -> digest of its files: the interpreter, its standard library, and
            each package of the folders that it imports from.
    """

    python: str
    implementation: str
    machine: str
    distributions: Mapping[str, str]
    content: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """A plain object with sorted names."""
        return {
            "python": self.python,
            "implementation": self.implementation,
            "machine": self.machine,
            "distributions": dict(sorted(self.distributions.items())),
            "content": dict(sorted(self.content.items())),
        }


@dataclass(frozen=True)
class Probe:
    """What an interpreter says of itself.

    Attributes:
        answer: As it was given, plain JSON.
    """

    answer: Mapping[str, Any]

    @property
    def tag(self) -> str:
        """In the names of its bytecode files, `cpython-311`."""
        return str(self.answer["tag"])

    def environment(self, content: Mapping[str, str]) -> Environment:
        """The environment with this content."""
        names = ("python", "implementation", "machine", "distributions")
        return Environment(**{name: self.answer[name] for name in names}, content=content)

    def manifest(self) -> Manifest:
        """The files that it can import from, as far as a sandbox shows them."""
        answer = self.answer
        shown = tuple(answer["prefixes"])
        roots = [
            Root("python", answer["executable"]),
            Root("python", answer["library"]),
            Root("", answer["settings"]),
            Root("stdlib", answer["stdlib"]),
        ]
        counts: dict[str, int] = {}
        for path in answer["path"]:
            # The project under study may be on the path by its own folder; a sandbox does not show that.
            beneath = any(Path(path).is_relative_to(folder) for folder in shown)
            if not beneath or (Path(path).is_relative_to(answer["stdlib"]) and not _is_packages(path)):
                continue
            name = os.path.basename(path)
            counts[name] = counts.get(name, 0) + 1
            label = name if counts[name] == 1 else f"{name}.{counts[name]}"
            roots.append(Root(label, path, split=os.path.isdir(path)))
        there = {root.path: root for root in roots if os.path.exists(root.path)}
        return Manifest(tuple(there.values()), shown)


def probe_interpreter(python: Path | None = None) -> Probe:
    """Ask an interpreter what it is.

    Args:
        python: `[sandbox] python`; None for the interpreter that runs the lab.

    Raises:
        LockError: It cannot be asked.
    """
    program = interpreter(python)
    try:
        done = subprocess.run([program, "-I", "-c", _PROBE], capture_output=True, timeout=60, cwd="/")
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise _unanswered(program, said or f"it ended with status {done.returncode}")
        probe = Probe(json.loads(done.stdout))
        probe.manifest()
        return probe
    except subprocess.TimeoutExpired:
        raise _unanswered(program, "no answer after 60 s") from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise _unanswered(program, str(error)) from error


def _unanswered(program: str, why: str) -> LockError:
    return LockError(
        f"The interpreter {program} cannot be asked for its environment: {why}.",
        "Set [sandbox] python to a working Python 3.",
    )


def interpreter(python: Path | None) -> str:
    """The program that is meant."""
    return str(python or sys.executable)


def part_of(root: Root, path: str) -> str:
    """The part of the environment that a file belongs to; "" for one that says how it came to be there."""
    if not root.split:
        return root.label
    first, _, rest = path[len(root.path) + 1 :].partition("/")
    if first.endswith((".dist-info", ".egg-info")):
        return f"{root.label}/dist-info" if rest in ("METADATA", "PKG-INFO", "entry_points.txt") else ""
    return f"{root.label}/{first}"


def digest_parts(digests: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Part -> digest over the relative paths and digests of its files."""
    return {
        part: hashlib.blake2b(
            json.dumps(sorted(files.items())).encode("utf-8", "surrogateescape"), digest_size=20
        ).hexdigest()
        for part, files in digests.items()
    }


def _is_packages(path: str) -> bool:
    return os.path.basename(path) in ("site-packages", "dist-packages")
