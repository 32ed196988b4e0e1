"""The environment that a score is bound to: the interpreter and what is installed in it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab_plugin.errors import LockError

_PROBE = """
import importlib.metadata, json, platform, sys
names = {}
for distribution in importlib.metadata.distributions():
    name = distribution.metadata["Name"]
    if name:
        names.setdefault(name.lower().replace("_", "-"), distribution.version or "")
print(json.dumps({
    "python": platform.python_version(),
    "implementation": platform.python_implementation(),
    "machine": platform.machine(),
    "distributions": names,
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
    """

    python: str
    implementation: str
    machine: str
    distributions: Mapping[str, str]

    def to_json(self) -> dict[str, object]:
        """A plain object with sorted names."""
        return {
            "python": self.python,
            "implementation": self.implementation,
            "machine": self.machine,
            "distributions": dict(sorted(self.distributions.items())),
        }


def measure_environment(python: Path | None = None) -> Environment:
    """Ask an interpreter what it is.

    Args:
        python: `[sandbox] python`; None for the interpreter that runs the lab.

    Raises:
        LockError: It cannot be asked.
    """
    program = str(python or sys.executable)
    try:
        answer = subprocess.run(
            [program, "-I", "-c", _PROBE], capture_output=True, check=True, timeout=60, cwd="/"
        )
        return Environment(**json.loads(answer.stdout))
    except (OSError, subprocess.SubprocessError, ValueError, TypeError) as error:
        raise LockError(
            f"The interpreter {program} cannot be asked for its environment: {error}.",
            "Set [sandbox] python to a working Python 3.",
        ) from error
