"""One lab, opened: its configuration, repository, ledger and folders, and the names of its refs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from lab_plugin import config as configuration
from lab_plugin.config import Config, is_scorer_file, scorer_files
from lab_plugin.errors import LockError, RepositoryError
from lab_plugin.home import Home, identity
from lab_plugin.ledger import Ledger, LockRecord
from lab_plugin.redaction import Redactor
from lab_plugin.repository import Lease, Repository, WorkspacePool
from lab_plugin.sandbox import Sandbox, open_sandbox, require_guarantees
from lab_plugin.scorer import (
    FILE_NAME,
    FileHasher,
    Lock,
    Terms,
    TrialRunner,
    materialise_snapshot,
    measure_environment,
    read_lock,
    require_equal,
)


class Lab:
    """An opened lab. Opening reads and checks, and changes nothing.

    Attributes:
        config: The lab's `lab.toml`.
        repository: The user's git repository.
        ledger: The lab's ledger.
        home: The user's state folder.
        identity: Eight hex digits, stable for this lab in this repository.
        directory: The lab's folder relative to the repository's root, "." for the root.
        redactor: Takes secrets out of what is shown or kept.
    """

    def __init__(self, config: Config, repository: Repository, home: Home) -> None:
        self.config = config
        self.repository = repository
        self.home = home
        self.directory = config.folder.resolve().relative_to(repository.top.resolve()).as_posix()
        self.name = config.lab.name
        self.identity = identity(repository.common_dir, self.directory, self.name)
        self.ledger = Ledger(repository, self.name)
        self.folder = home.lab(self.name, self.identity)
        credentials = (*config.candidate.credentials, *config.proposer.credentials)
        injected = (credential.env for credential in credentials)
        self.redactor = Redactor(os.environ, (*config.lab.secrets, *injected))
        self._hasher = FileHasher()
        self._environment: dict[str, object] | None = None

    @classmethod
    def open(cls, start: Path | None = None) -> Lab:
        """Open the lab at or above a folder.

        Args:
            start: A folder, or a `lab.toml`; None for the current folder.

        Raises:
            ConfigError: There is no `lab.toml`, or it has faults.
            RepositoryError: The lab does not lie in a git repository that can be used.
        """
        start = start or Path.cwd()
        source = start if start.is_file() else configuration.find(start)
        config = configuration.load(source)
        return cls(config, Repository.open(config.folder), Home.from_environment())

    @property
    def best_ref(self) -> str:
        """The champion's branch, as a full ref."""
        return f"refs/heads/{self.best_branch}"

    @property
    def best_branch(self) -> str:
        """The champion's branch."""
        return f"lab/{self.name}/best"

    @property
    def lease_ref(self) -> str:
        """Who may move the champion."""
        return f"refs/lab/{self.name}/lease"

    @property
    def open_prefix(self) -> str:
        """Where proposals without a verdict are kept."""
        return f"refs/lab/{self.name}/open/"

    @property
    def tag(self) -> str:
        """The Prefect tag of all runs of this lab."""
        return f"lab:{self.name}-{self.identity}"

    def branch(self, idea: str) -> str:
        """The branch of an idea, from its name `0007-wider-mlp`."""
        return f"lab/{self.name}/ideas/{idea}"

    def path(self, relative: str) -> str:
        """A path of the lab as a path of the repository."""
        return relative if self.directory == "." else f"{self.directory}/{relative}"

    def hides(self, path: str) -> bool:
        """Whether a path of the repository is the scorer's, and so never in a workspace."""
        if self.directory != ".":
            inside = path.removeprefix(f"{self.directory}/")
            if inside == path:
                return False
            path = inside
        return is_scorer_file(path, self.config.scorer.files)

    def candidate_paths(self) -> tuple[str, ...]:
        """All that an idea may change, as paths of the repository."""
        return tuple(self.path(path) for path in self.config.candidate.paths)

    @cached_property
    def pool(self) -> WorkspacePool:
        """The lab's workspaces; one pool, which knows what its slots hold."""
        return WorkspacePool(self.repository, self.folder / "workspaces", self.hides)

    def require_branches(self) -> None:
        """See that the lab can have its branches.

        Raises:
            RepositoryError: A branch called `lab` is in the way, or the champion's branch is checked out, and
                would change under somebody's feet.
        """
        if self.repository.ref("refs/heads/lab") is not None:
            raise RepositoryError(
                "A branch called 'lab' is in the way of the lab's branches lab/...",
                "Rename it: git branch -m lab another-name",
            )
        if (place := self.repository.checked_out(self.best_branch)) is not None:
            raise RepositoryError(
                f"The champion's branch {self.best_branch} is checked out in {place}, and a keep moves it.",
                f"Leave it: git -C {place} switch --detach, or switch to another branch.",
            )

    def mend(self, lease: Lease) -> None:
        """Finish what a dead process left half done; the champion's branch is at the champion afterwards.

        Raises:
            RepositoryError: The branch is at a commit that the ledger lacks; moving it could lose that.
        """
        self.ledger.recover([lease.fence()])
        champion, found = self.ledger.state().champion, self.repository.ref(self.best_ref)
        if champion is not None and found != champion.commit:
            raise RepositoryError(
                f"{self.best_branch} is at a commit that is not the ledger's, not at the champion.",
                f"Keep that commit elsewhere if you need it, then: "
                f"git branch -f {self.best_branch} {champion.commit}",
            )
        if champion is None and found is not None:
            raise RepositoryError(
                f"There is a branch {self.best_branch}, but no lock in the ledger {self.ledger.ref}.",
                f"Fetch the ledger from a clone that has it: git fetch REMOTE '{self.ledger.ref}:"
                f"{self.ledger.ref}'; or rename the branch.",
            )

    def sandbox(self) -> Sandbox:
        """The sandbox that `[sandbox]` names.

        Raises:
            SandboxUnavailable: It cannot be had on this machine.
            SandboxError: It does not hold what `[sandbox] require` demands.
        """
        settings = self.config.sandbox
        sandbox = open_sandbox(settings.kind, python=Path(settings.python) if settings.python else None)
        require_guarantees(sandbox, settings.require)
        if not (self.config.candidate.network or self.config.proposer.network):
            return sandbox
        # Only a lab that uses the network pays for importing it.
        from lab_plugin.networked import networked

        return networked(sandbox, self.config)

    def terms(self) -> Terms:
        """All that makes a score, as it is now in the working tree and on this machine.

        Raises:
            LockError: A file or the interpreter cannot be read.
        """
        folder = self.config.folder
        if self._environment is None:
            python = self.config.sandbox.python
            self._environment = measure_environment(Path(python) if python else None).to_json()
        return Terms(
            files=self._hasher.measure(folder, scorer_files(folder, self.config.scorer.files)),
            data=self._hasher.measure(folder, self._data_files()),
            rules=self.config.scoring_rules(),
            environment=self._environment,
        )

    def require_lock(self) -> tuple[LockRecord, Lock]:
        """The lock in force, proved to be what is found now.

        Raises:
            LockError: There is none, `lab.lock` and the ledger disagree, or something changed since.
        """
        record = self.ledger.state().lock
        if record is None:
            raise LockError(f"The lab {self.name} is not locked yet.", "Run `lab lock`.")
        self.require_own(record)
        lock = read_lock(self.config.folder / FILE_NAME)
        if lock.digest != record.digest:
            raise LockError(
                f"{FILE_NAME} (epoch {lock.epoch}) is not the lock of the ledger (epoch {record.epoch}).",
                f"Run `lab lock`: it writes {FILE_NAME} again, or says what changed since the ledger's lock.",
            )
        require_equal(lock.terms, self.terms())
        return record, lock

    def require_own(self, record: LockRecord) -> None:
        """See that a lock is this lab's, and not that of one with the same name in another folder.

        Raises:
            LockError: It is of another folder.
        """
        if record.directory != self.directory:
            raise LockError(
                f"By its ledger, the lab {self.name} of this repository lies in the folder "
                f"{record.directory!r}; this one lies in {self.directory!r}.",
                "Give this lab another [lab] name. If it was moved, commit that, and run "
                "`lab lock --baseline HEAD --reason 'moved'`.",
            )

    def runner_of(self, sandbox: Sandbox, tree: str, files: Mapping[str, str]) -> TrialRunner:
        """What runs trials with a scorer.

        Args:
            sandbox: Where.
            tree: The scorer's snapshot in git.
            files: What it must hold, as `Terms.files`.

        Raises:
            LockError: The snapshot is not that.
        """
        snapshot = materialise_snapshot(self.repository, tree, files, self.folder / "snapshots", self._hasher)
        return TrialRunner(self.config, sandbox, snapshot, self.directory, self.redactor)

    def instructions(self) -> str:
        """The text that proposers are told; "" when the lab has none."""
        name = self.config.lab.instructions
        return (self.config.folder / name).read_text("utf-8", "replace") if name else ""

    def close(self) -> None:
        """End helper processes. Idempotent."""
        self.repository.close()

    def _data_files(self) -> list[str]:
        data = self.config.candidate.data
        if data is None:
            return []
        root = self.config.folder / data
        if root.is_file():
            return [data]
        return sorted(
            path.relative_to(self.config.folder).as_posix() for path in root.rglob("*") if not path.is_dir()
        )
