"""The pull step: one clone on each machine, renewed when a run begins, never under a campaign."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab_plugin.errors import RemoteError, RemoteGone
from lab_plugin.fleet import clone
from lab_plugin.lab import Lab
from lab_plugin.repository import Lease
from tests.conftest import git
from tests.sshd import Host, demanded, running_host

__all__ = ["running_host"]

IN_A_TERMINAL = """
import os, sys
os.open(sys.argv[1], os.O_RDWR)
from lab_plugin.fleet import clone
from lab_plugin.errors import RemoteError
try:
    clone(sys.argv[2], "main")
except RemoteError as error:
    print(error)
"""


@pytest.fixture
def shared(make_lab: Callable[..., Path], home: Path, tmp_path: Path) -> Path:
    """A repository with a bare remote, whose pushes go to it."""
    folder = make_lab()
    git(tmp_path, "init", "-q", "--bare", "shared.git")
    git(folder, "remote", "add", "origin", str(tmp_path / "shared.git"))
    git(folder, "push", "-q", "-u", "origin", "main")
    return folder


def publish(folder: Path, text: str) -> str:
    (folder / "README").write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", text)
    git(folder, "push", "-q", "--force")
    return git(folder, "rev-parse", "HEAD")


def remote_of(folder: Path) -> str:
    return git(folder, "remote", "get-url", "origin")


def test_a_clone_stays_and_is_renewed(shared: Path) -> None:
    found = clone(remote_of(shared), "main", "upstream")
    here = Path(found["directory"])
    assert git(here, "rev-parse", "HEAD") == git(shared, "rev-parse", "HEAD")
    assert git(here, "remote") == "upstream"
    assert not (here / ".git" / "shallow").exists()
    git(here, "update-ref", "refs/lab/rosenbrock/ledger", "HEAD")
    (here / "README").write_text("left behind")

    newest = publish(shared, "one")
    assert clone(remote_of(shared), "main", "upstream") == found
    assert git(here, "rev-parse", "HEAD") == newest
    assert (here / "README").read_text() == "one"
    # A history that was written anew is taken over, and what campaigns wrote here stays.
    git(shared, "reset", "-q", "--hard", "HEAD~1")
    newest = publish(shared, "two")
    clone(remote_of(shared), "main", "upstream")
    assert git(here, "rev-parse", "HEAD") == newest
    assert git(here, "rev-parse", "refs/lab/rosenbrock/ledger") != newest


def test_a_running_campaign_keeps_what_it_was_started_with(shared: Path) -> None:
    here = Path(clone(remote_of(shared), "main")["directory"])
    before = git(here, "rev-parse", "HEAD")
    lab = Lab.open(here)
    try:
        with Lease.acquire(lab.repository, lab.lease_ref, "lab run"):
            newest = publish(shared, "later")
            clone(remote_of(shared), "main")
            assert git(here, "rev-parse", "HEAD") == before
        clone(remote_of(shared), "main")
        assert git(here, "rev-parse", "HEAD") == newest
    finally:
        lab.close()


def test_several_runs_at_once_make_one_clone(shared: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: clone(remote_of(shared), "main")["directory"], range(4)))
    (one,) = set(found)
    assert git(Path(one), "status", "--porcelain") == ""


def test_a_clone_that_was_killed_half_way_is_made_anew(shared: Path) -> None:
    here = Path(clone(remote_of(shared), "main")["directory"])
    here.rename(here.with_name(f"{here.name}.half"))
    (here.with_name(f"{here.name}.half") / ".git" / "HEAD").unlink()
    clone(remote_of(shared), "main")
    assert git(here, "rev-parse", "HEAD") == git(shared, "rev-parse", "HEAD")


def test_no_hook_and_no_question(shared: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    template = tmp_path / "template"
    (template / "hooks").mkdir(parents=True)
    hook = template / "hooks" / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(template))
    clone(remote_of(shared), "main")
    assert not (tmp_path / "ran").exists()


def test_what_cannot_be_cloned(shared: Path, home: Path) -> None:
    with pytest.raises(RemoteGone, match="cannot be cloned"):
        clone(str(shared / "absent.git"), "main")
    with pytest.raises(RemoteError, match="absent"):
        clone(remote_of(shared), "absent")
    assert not [name for name in os.listdir(home / "clones") if not name.endswith((".lock", ".half"))]
    with pytest.raises(RemoteError) as secret:
        clone("https://ada:s3cret@127.0.0.1:1/x.git", "main")
    assert "s3cret" not in str(secret.value)


@demanded
@pytest.mark.parametrize("chosen", [False, True], ids=["git's own way", "a command of the user's"])
def test_by_ssh_nothing_is_asked_on_the_terminal_of_the_worker(
    shared: Path, host: Host, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: bool
) -> None:
    there = f"{host.name}:{remote_of(shared)}"
    if chosen:
        monkeypatch.setenv("GIT_SSH_COMMAND", host.command)
    else:
        program = tmp_path / "bin" / "ssh"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} {host.command.removeprefix("ssh")} "$@"\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    host.become_unknown()
    ours, theirs = os.openpty()
    try:
        command = [sys.executable, "-c", IN_A_TERMINAL, os.ttyname(theirs), there]
        # It has no terminal yet, so the one that it opens is its own.
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, start_new_session=True)
        assert "Host key verification failed" in done.stdout, done.stderr
        assert not select.select([ours], [], [], 0)[0], os.read(ours, 1000)
    finally:
        os.close(ours)
        os.close(theirs)
    host.become_known()
    here = clone(there, "main")["directory"]
    assert git(Path(here), "rev-parse", "HEAD") == git(shared, "rev-parse", "HEAD")
    host.shut_out()
    with pytest.raises(RemoteError, match="Permission denied") as refused:
        clone(there, "main")
    host.vanish()
    with pytest.raises(RemoteGone, match="Connection refused"):
        clone(there, "main")
    assert "git ls-remote" in refused.value.remedy and not isinstance(refused.value, RemoteGone)
