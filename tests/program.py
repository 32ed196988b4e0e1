"""The `lab` program as a user starts it: a process of its own."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

LAB = str(Path(sys.executable).with_name("lab"))
Cli = Callable[..., subprocess.CompletedProcess[str]]


def document(done: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(done.stdout)
