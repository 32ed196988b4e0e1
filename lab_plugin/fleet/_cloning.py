"""The pull step of a lab's deployments: one clone of the repository on each machine, which stays.

Prefect's own step deletes a clone that it cannot update, and cuts off the history. A lab's clone holds what
campaigns on this machine are working on, so this one keeps it, and leaves it as it is under a running
campaign.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from lab_plugin.errors import RemoteError, RemoteGone
from lab_plugin.home import Home
from lab_plugin.repository import (
    AccessToken,
    Repository,
    holder,
    run_unattended,
    shown_address,
    unattended,
)

_TIMEOUT_SECONDS = 1_800
_SAFE = ("-c", "core.hooksPath=/dev/null", "-c", "protocol.ext.allow=never", "-c", "gc.auto=0")
# The first ones name another repository; the last one may open a window.
_LEFT_OUT = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "SSH_ASKPASS",
)
_LEASE = re.compile(r"refs/lab/[^/]+/lease")
_GONE = re.compile(
    r"could not resolve|unable to access(?!.*returned error: 40[134])|connection|timed out"
    r"|does not exist|not appear to be a git",
    re.I,
)


class _Address(NamedTuple):
    repository: str
    token: AccessToken | None


def clone(repository: str, branch: str, remote: str = "origin", access_token: str = "") -> dict[str, str]:
    """Have the newest commit of a branch in a folder of this machine, and run the flow there.

    Args:
        repository: URL, `host:path` of SSH, or absolute path.
        branch: Its branch.
        remote: What the clone calls the repository; `[lab] remote` may name it.
        access_token: Lets git in by HTTP, for this call alone; "" where the user's own git gets in.

    Returns:
        The folder, as `directory`.

    Raises:
        RemoteGone: The repository cannot be reached.
        RemoteError: It refuses, or has no such branch.
    """
    address = _Address(repository, AccessToken(repository, access_token) if access_token else None)
    home = Home.from_environment()
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", repository.rstrip("/").rpartition("/")[2].removesuffix(".git"))
    digest = hashlib.sha256("\0".join((repository, branch, remote)).encode("utf-8", "surrogateescape"))
    folder = home.root / "clones" / f"{name.strip('.-')[:40] or 'lab'}-{digest.hexdigest()[:8]}"
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    with _alone(folder.with_name(f"{folder.name}.lock")):
        if not (folder / ".git").exists():
            _make(address, branch, remote, folder)
        elif not _is_busy(folder):
            _renew(address, branch, remote, folder)
    return {"directory": str(folder)}


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _make(address: _Address, branch: str, remote: str, folder: Path) -> None:
    """Clone into a folder of its own first: one that was killed half way is no clone."""
    half = folder.with_name(f"{folder.name}.half")
    shutil.rmtree(half, ignore_errors=True)
    options = ("--quiet", "--origin", remote, "--branch", branch, "--single-branch", "--no-tags")
    _git(address, folder.parent, "clone", *options, "--", address.repository, str(half))
    half.rename(folder)


def _renew(address: _Address, branch: str, remote: str, folder: Path) -> None:
    there = f"refs/remotes/{remote}/{branch}"
    _git(address, folder, "fetch", "--quiet", "--no-tags", remote, f"+refs/heads/{branch}:{there}")
    _git(address, folder, "checkout", "--quiet", "--force", "-B", branch, there)


def _is_busy(folder: Path) -> bool:
    """Whether a living campaign works in the clone; what it was started with stays under it."""
    repository = Repository.open(folder)
    try:
        refs = repository.refs("refs/lab/")
        return any(holder(repository, ref) is not None for ref in refs if _LEASE.fullmatch(ref))
    finally:
        repository.close()


def _git(address: _Address, folder: Path, *arguments: str) -> None:
    shown, token = shown_address(address.repository), address.token
    flags = (*_SAFE, *(token.flags if token is not None else ()))
    environment = {name: value for name, value in os.environ.items() if name not in _LEFT_OUT}
    environment |= {**unattended(folder), "LC_ALL": "C", **(token.environment if token is not None else {})}
    try:
        done = run_unattended(["git", *flags, *arguments], folder, environment, _TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        raise RemoteGone(f"The repository {shown} did not answer for {_TIMEOUT_SECONDS} s.") from None
    if done.status == 0:
        return
    said = done.stderr.replace(address.repository, shown).strip()
    kind = RemoteGone if _GONE.search(said) else RemoteError
    raise kind(
        f"The repository {shown} cannot be cloned or updated here: {said[-2000:]}",
        token.remedy
        if token is not None
        else "See with `git ls-remote`, as the user that runs the worker, that it can be reached from here.",
    )
