"""The `lab` program as a user starts it: a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

LAB = str(Path(sys.executable).with_name("lab"))
Cli = Callable[..., subprocess.CompletedProcess[str]]

minutes_alone = pytest.mark.skipif(
    os.environ.get("LAB_TEST_FLEET") != "1",
    reason="minutes of servers and workers, with the machine for themselves: LAB_TEST_FLEET=1 plays them",
)


def document(done: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(done.stdout)
