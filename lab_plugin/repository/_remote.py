"""Another repository, by path, SSH or HTTP: what travels between machines goes through it.

git speaks to it with the user's own credentials and never asks for any. Refs move there as they do here: all
changes of a push or none, each only from where it was expected.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from lab_plugin.errors import RefConflict, RemoteError, RemoteGone
from lab_plugin.repository._git import ENVIRONMENT, Git, Result, failure
from lab_plugin.repository._refs import RefChange
from lab_plugin.repository._token import AccessToken
from lab_plugin.repository._unattended import run_unattended, unattended

TIMEOUT_SECONDS = 120.0
# What the user's own git needs to prove who they are; nothing else of the environment enters.
_PASSED = (
    "PATH",
    "HOME",
    "XDG_CONFIG_HOME",
    "USER",
    "LOGNAME",
    "SSH_AUTH_SOCK",
    "GIT_ASKPASS",
    "GIT_SSH_COMMAND",
    "GIT_SSH",
    "GIT_SSH_VARIANT",
    "GIT_SSL_CAINFO",
    "SSL_CERT_FILE",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
)
_FLAGS = tuple(
    part
    for setting in (
        "protocol.allow=never",
        "protocol.file.allow=always",
        "protocol.ssh.allow=always",
        "protocol.http.allow=always",
        "protocol.https.allow=always",
        "http.lowSpeedLimit=1000",
        "http.lowSpeedTime=30",
        "push.followTags=false",
        "push.recurseSubmodules=no",
        "fetch.recurseSubmodules=no",
        "fetch.fsckObjects=true",
    )
    for part in ("-c", setting)
)
_SECRET = re.compile(r"(?<=//)[^/@\s]+@")
_LOST = re.compile(
    r"stale info|fetch first|non-fast-forward|already exists|cannot lock ref|failed to update ref"
)
_REFUSED = re.compile(
    r"permission denied|authentication failed|access denied|could not read (?:username|password)"
    r"|returned error: 40[13]|host key verification failed|pre-receive hook declined|hook declined",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Remote:
    """One other repository, as seen from one of ours.

    Attributes:
        git: Runs git on ours.
        address: Where it is: an absolute path, an URL, or `host:path` of SSH.
        timeout: Seconds until one call is given up.
        token: Lets git in, where the user's own credentials are not to do it.
    """

    git: Git = field(repr=False)
    address: str = field(repr=False)
    timeout: float = TIMEOUT_SECONDS
    token: AccessToken | None = None

    def __post_init__(self) -> None:
        odd = r"\x00" if os.path.isabs(self.address) else r"[\x00-\x1f\x7f]"
        if not self.address or self.address.startswith("-") or re.search(odd, self.address):
            raise RemoteError(f"{self.shown!r} is no address of a git repository.")

    @property
    def shown(self) -> str:
        """The address without what is secret in it."""
        return shown_address(self.address)

    @cached_property
    def _environment(self) -> dict[str, str]:
        token = self.token.environment if self.token is not None else {}
        return {**_environment(self.git.git_dir), **token}

    def refs(self, *patterns: str) -> dict[str, str]:
        """Its refs, by full name.

        Args:
            patterns: Full names, or `refs/lab/digits/*`; none for all.

        Raises:
            RemoteGone: It cannot be reached.
            RemoteError: It refuses.
        """
        result = self._call("ls-remote", "--refs", "--", self.address, *patterns)
        pairs = (line.split("\t", 1) for line in os.fsdecode(result.stdout).splitlines())
        return {ref: oid for oid, ref in pairs}

    def fetch(self, refs: Mapping[str, str], *, depth: int | None = None, prune: bool = False) -> None:
        """Bring objects here.

        Args:
            refs: Ref (or object id) there -> ref here, which moves there whatever it was; "" for no ref. With
                a `*` on both sides for all that match, be it none.
            depth: Commits of the history to bring; None for all.
            prune: Remove what matches here, and is not there any more.

        Raises:
            RemoteGone: It cannot be reached.
            RemoteError: It refuses, or lacks one of the refs; none moved.
        """
        specs = [f"+{there}:{here}" if here else there for there, here in refs.items()]
        options = ["--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--atomic", "--quiet"]
        options += ["--refmap=", *(["--depth", str(depth)] if depth is not None else [])]
        options += ["--prune"] if prune else []
        if specs:
            self._call("fetch", *options, "--", self.address, *specs)

    def push(self, changes: Sequence[RefChange], *, dry_run: bool = False) -> None:
        """Move refs there in one transaction, and bring the objects that they need.

        Args:
            changes: As for `Repository.update_refs`; one that changes nothing is not checked either.
            dry_run: Only ask; no ref moves.

        Raises:
            RefConflict: A ref was not where it was expected; none moved.
            RemoteGone: It cannot be reached; whether they moved is open.
            RemoteError: It refuses; none moved.
        """
        leases = [
            f"--force-with-lease={change.ref}:{change.old}" for change in changes if change.old is not None
        ]
        forced = {change.ref for change in changes if change.old is None}
        specs = [
            f"{'+' if change.ref in forced and change.new else ''}{change.new or ''}:{change.ref}"
            for change in changes
        ]
        if specs:
            options = ["--atomic", "--porcelain", "--no-verify", "--no-signed", "--quiet"]
            options += ["--dry-run"] if dry_run else []
            self._call("push", *options, *leases, "--", self.address, *specs)

    def _call(self, verb: str, *arguments: str) -> Result:
        flags = ("--git-dir", str(self.git.git_dir), *self.git.flags, *_FLAGS)
        flags += self.token.flags if self.token is not None else ()
        command = [self.git.program, *flags, verb, *arguments]
        try:
            result = run_unattended(command, self.git.common_dir, self._environment, self.timeout)
        except subprocess.TimeoutExpired as error:
            raise RemoteGone(
                f"The git remote {self.shown} did not answer `git {verb}` within {self.timeout:g} s.",
                "See that it can be reached; nothing of the lab is lost.",
            ) from error
        if result.status != 0:
            raise self._failure(verb, result)
        return result

    def _failure(self, verb: str, result: Result) -> RemoteError | RefConflict:
        said = _SECRET.sub("***@", f"{result.stderr}\n{os.fsdecode(result.stdout)}")
        words = " ".join(said.split())[:1000]
        if _REFUSED.search(said):
            return RemoteError(
                f"The git remote {self.shown} refuses `git {verb}`: {words}",
                self.token.remedy
                if self.token is not None
                else "See that git can push and fetch there without a question (SSH key, credential helper).",
            )
        if verb == "push" and _LOST.search(said):
            return RefConflict(
                f"A ref of {self.shown} was moved by somebody else; nothing was written. {words}"
            )
        if "couldn't find remote ref" in said or "not our ref" in said:
            return RemoteError(f"The git remote {self.shown} lacks what is asked of it: {words}")
        told = failure(f"git {verb}", Path(self.shown), Result(result.status, b"", words))
        return RemoteGone(told.message, "See that it can be reached; nothing of the lab is lost.")


def shown_address(address: str) -> str:
    """An address without user names, passwords and tokens."""
    return _SECRET.sub("***@", address)


def _environment(folder: Path) -> dict[str, str]:
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    kept = {name: value for name, value in ENVIRONMENT.items() if name not in ("GIT_CONFIG_GLOBAL", "HOME")}
    return {**kept, "GIT_CONFIG_NOSYSTEM": "0", **unattended(folder), **passed}
