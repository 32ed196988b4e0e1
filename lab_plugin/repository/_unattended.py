"""git that reaches for another machine where nobody sits: it asks no question, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab_plugin.repository._git import Result, user_settings

_SSH = "ssh -o BatchMode=yes -o ConnectTimeout=20"
_CHOSEN = ("GIT_SSH_COMMAND", "GIT_SSH")


def unattended(folder: Path) -> dict[str, str]:
    """What git needs in its environment to ask nothing, be it a password or whether a host is known.

    A command for SSH that the user chose, in the environment or as `core.sshCommand`, stays theirs: without
    a terminal it cannot ask either.

    Args:
        folder: Where git is run; its repository's settings count.

    Raises:
        RepositoryError: There is no git, or its configuration is broken.
    """
    quiet = {"GIT_TERMINAL_PROMPT": "0", "SSH_ASKPASS_REQUIRE": "never"}
    if not any(name in os.environ for name in _CHOSEN) and not user_settings(folder, r"^core\.sshcommand$"):
        quiet["GIT_SSH_COMMAND"] = _SSH
    return quiet


def run_unattended(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float
) -> Result:
    """Run to the end, without a terminal; one that takes too long is ended with all that it started.

    Args:
        command: Program and arguments.
        folder: Where it is run.
        environment: All of it.
        timeout: Seconds.

    Raises:
        subprocess.TimeoutExpired: It took longer.
    """
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # SSH would ask on the terminal of its session.
        start_new_session=True,
    ) as process:
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return Result(process.returncode, stdout, stderr.decode("utf-8", "replace"))
