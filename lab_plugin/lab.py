"""One lab, opened: its configuration, repository, ledger and folders."""

from __future__ import annotations

import copy
import difflib
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lab_plugin import config as configuration
from lab_plugin.block_settings import BlockSettings, remembered
from lab_plugin.config import LOCK_FILE, Config, is_scorer_file
from lab_plugin.errors import ConfigError
from lab_plugin.home import Home
from lab_plugin.lab_names import LabNames
from lab_plugin.ledger import Ledger
from lab_plugin.redaction import Redactor
from lab_plugin.repository import Repository, WorkspacePool
from lab_plugin.sandbox import Sandbox, build_image, image_of
from lab_plugin.sandboxing import sandbox_of
from lab_plugin.scorer import (
    FileHasher,
    Lock,
    Snapshot,
    Terms,
    TrialRunner,
    materialise_snapshot,
    require_equal,
)
from lab_plugin.terms import Look, TermsReader

if TYPE_CHECKING:
    from lab_plugin.services import Services


class Lab(LabNames):
    """An opened lab. Opening reads and checks, and changes nothing.

    Args:
        image: Digest of the image to run programs in, instead of the one that `[sandbox]` means today.
        images: The same of tiers that have an image of their own, by name.
        blocks: What its Prefect blocks said, where they were looked up.

    Attributes:
        ledger: The lab's ledger.
        home: The user's state folder.
        folder: Its own folder in there.
        redactor: Takes secrets out of what is shown or kept.
        blocks: What its Prefect blocks said, where they were looked up for this.
    """

    def __init__(
        self,
        config: Config,
        repository: Repository,
        home: Home,
        *,
        image: str | None = None,
        images: Mapping[str, str] | None = None,
        blocks: BlockSettings | None = None,
    ) -> None:
        super().__init__(config, repository)
        self._deciding = self
        self.home = home
        self.ledger = Ledger(repository, self.name)
        self.folder = home.lab(self.name, self.identity)
        credentials = [*config.candidate.credentials, *config.proposer.credentials]
        for tier in config.screening:
            credentials += tier.config.candidate.credentials
        injected = (credential.env for credential in credentials)
        self.blocks = blocks or BlockSettings()
        told = (value for secrets in self.blocks.secrets.values() for value in secrets.values())
        self.redactor = Redactor(os.environ, (*config.lab.secrets, *injected), told)
        self._hasher = FileHasher(self.folder / "digests")
        self._snapshots: list[Snapshot] = []
        self._image = image
        self._images = dict(images or {})
        self._terms = self._environment = TermsReader(config, home, self._hasher, lambda: self.image)
        self._at: dict[str, Lab] = {}

    @classmethod
    def open(cls, start: Path | None = None, blocks: BlockSettings | None = None) -> Lab:
        """Open the lab at or above a folder.

        Args:
            start: A folder, or a `lab.toml`; None for the current folder.
            blocks: What the Prefect blocks that it names say now; None for what they said when they were last
                looked up on this machine. `lab_plugin.opening` looks them up.

        Raises:
            ConfigError: There is no `lab.toml`, or it has faults.
            RepositoryError: The lab does not lie in a git repository that can be used.
        """
        start = start or Path.cwd()
        source = start if start.is_file() else configuration.find(start)
        config = configuration.load(source, blocks.settings if blocks else None)
        lab = cls(config, Repository.open(config.folder), Home.from_environment(), blocks=blocks)
        if blocks is None and config.unresolved() and (known := remembered(lab.folder)):
            known_blocks = BlockSettings(known)
            return cls(configuration.load(source, known), lab.repository, lab.home, blocks=known_blocks)
        return lab

    def require_settings(self, table: str) -> None:
        """See that the settings of a table are known, and not in a block that was never looked up here.

        Args:
            table: `sandbox`, `tracking` or `lock`.

        Raises:
            ConfigError: They are not.
        """
        if names := self._deciding.config.unresolved(table):
            raise ConfigError(
                f"[{table}] of {self.config.source} names the block {names[0]}, whose settings are not known "
                "on this machine yet.",
                "Run `lab check`: it looks them up in the Prefect API.",
            )

    def at(self, tier: str) -> Lab:
        """The same lab as it is at one of its tiers: with its configuration, and all else in common.

        What is hidden, and which files make up the scorer, is the same at all tiers.

        Args:
            tier: Name of a tier.

        Raises:
            ConfigError: The lab has no such tier.
        """
        if tier == self.config.tier:
            return self
        if tier not in self._at:
            configs = {one.name: one.config for one in self.config.tiers}
            if tier not in configs:
                near = difflib.get_close_matches(tier, configs, 1)
                hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(configs)}."
                raise ConfigError(f"The lab {self.name} has no tier {tier!r}.", hint)
            _ = self.pool
            other = copy.copy(self)
            other.config = configs[tier]
            other.__dict__.pop("image", None)
            other._image = self._image if other.place == self.place else self._images.get(tier)
            other._environment = TermsReader(other.config, self.home, self._hasher, lambda: other.image)
            self._at[tier] = other
        return self._at[tier]

    @property
    def deciding(self) -> Lab:
        """The same lab at the tier that decides."""
        return self._deciding

    @property
    def place(self) -> tuple[object, ...]:
        """What decides in which sandbox programs run; tiers that have it in common share one."""
        candidate = self.config.candidate
        return (self.config.sandbox, candidate.gpus > 0, candidate.network, candidate.credentials)

    def hides(self, path: str) -> bool:
        """Whether a path of the repository is the scorer's or the hold-out's, and so never in a workspace."""
        if self.directory != ".":
            inside = path.removeprefix(f"{self.directory}/")
            if inside == path:
                return False
            path = inside
        return is_scorer_file(path, self._deciding.config.scorer_patterns) or self._is_sealed(path)

    def _is_sealed(self, path: str) -> bool:
        """Whether a path tells of the hold-out; the lock does, by digests that could be guessed at."""
        holdout = self._deciding.config.scorer.holdout
        if holdout is None:
            return False
        data = (holdout.data,) if holdout.data else ()
        return path == LOCK_FILE or is_scorer_file(path, (*holdout.files, *data))

    def candidate_paths(self) -> tuple[str, ...]:
        """All that an idea may change, as paths of the repository."""
        return tuple(self.path(path) for path in self.config.candidate.paths)

    @cached_property
    def pool(self) -> WorkspacePool:
        """The lab's workspaces; one pool, which knows what its slots hold."""
        return WorkspacePool(self.repository, self.folder / "workspaces", self.hides)

    @cached_property
    def image(self) -> str | None:
        """The digest of the image that programs run in; None where the sandbox has none.

        Raises:
            ConfigError: The sandbox is in a block that was never looked up here.
            SandboxUnavailable: There is no engine that has it.
            SandboxError: It cannot be used.
        """
        if self._image is not None:
            return self._image
        self.require_settings("sandbox")
        settings = self.config.sandbox
        return image_of(
            settings.kind, image=settings.image, dockerfile=self._dockerfile, gpus=self.config.candidate.gpus
        )

    def build_image(self) -> None:
        """Build the images of `[sandbox] dockerfile`, of all tiers from this one down.

        One that the engine has is not built; it may take minutes.

        Raises:
            SandboxUnavailable: There is no engine.
            SandboxError: The build failed.
        """
        tiers = (self, *(self.at(tier.name) for tier in self.config.screening))
        for dockerfile in dict.fromkeys(tier._dockerfile for tier in tiers):
            if dockerfile is not None:
                build_image(dockerfile)

    @property
    def _dockerfile(self) -> Path | None:
        name = self.config.sandbox.dockerfile
        return self.config.folder / name if name else None

    def sandbox(self, *, serves: bool = True) -> Sandbox:
        """The sandbox that `[sandbox]` names, with its network and services.

        Args:
            serves: Whether programs get their services, which it starts when they first need them.

        Raises:
            SandboxUnavailable: It cannot be had on this machine.
            SandboxError: It does not hold what `[sandbox] require` demands.
        """
        return sandbox_of(self.config, self.image, self.services if serves else lambda: None)

    def services(self) -> Services | None:
        """The programs on the host that `[services]` declares, none of them running; None for none."""
        if not self.config.services:
            return None
        from lab_plugin.services import Place, Services

        state = self.folder / "services"
        place = Place(directory=self.config.folder, state=state, redact=self.redactor.text)
        return Services(self.config.services, place)

    def terms(self, look: Look = "recent", locked: Terms | None = None) -> Terms:
        """All that makes a score at any tier, as it is now in the working tree and on this machine.

        Args:
            look: How closely the environment is looked at.
            locked: What stands for the environment of tiers that only workers run, where each worker proves
                its own; None to look at all of them here.

        Raises:
            LockError: A file or the interpreter cannot be read.
            SandboxUnavailable: There is no engine that has the image.
        """
        if self._deciding is not self:
            return self._deciding.terms(look, locked)
        away = self._away() if locked is not None else set()
        known = dict(locked.environment) if locked is not None else {}
        apart: dict[str, object] = known.pop("tiers", {})
        terms = self._terms.read(look, known if self.place in away else None)
        # An interpreter or an image of its own is part of what makes a tier's score.
        others = {
            tier.name: apart.get(tier.name, {})
            if self.at(tier.name).place in away
            else self.at(tier.name).environment(look)
            for tier in self.config.screening
            if self.at(tier.name).place != self.place
        }
        if not others:
            return terms
        return terms.model_copy(update={"environment": {**terms.environment, "tiers": others}})

    def _away(self) -> set[tuple[object, ...]]:
        """The places in which only workers run programs."""
        places = [(self.at(tier.name).place, tier.pool) for tier in self.config.tiers]
        return {place for place, _ in places} - {place for place, pool in places if not pool}

    def environment(self, look: Look = "recent") -> dict[str, object]:
        """What programs run with at this tier: the interpreter and all that is installed, or the image.

        Raises:
            LockError: The interpreter cannot be read.
            SandboxUnavailable: There is no engine that has the image.
        """
        return self._environment.environment(look)

    def scorer_files(self) -> dict[str, str]:
        """The public scorer's files as they are now: path -> `<mode>:<sha256>`.

        Raises:
            LockError: One cannot be read.
        """
        return self._terms.scorer_files()

    def require_terms(self, lock: Lock, look: Look = "recent") -> None:
        """See that all that makes a score is as it was locked.

        Args:
            lock: The lock in force.
            look: How closely the environment is looked at.

        Raises:
            LockError: Something changed; a line says what.
        """
        require_equal(lock.terms, self.terms(look, lock.terms), self._terms.changes())

    def runner_of(
        self, sandbox: Sandbox, tree: str, files: Mapping[str, str], config: Config | None = None
    ) -> TrialRunner:
        """What runs trials with a scorer.

        Args:
            sandbox: Where.
            tree: The scorer's snapshot in git.
            files: What it must hold, as `Terms.files`.
            config: What takes the place of the lab's configuration; None for that.

        Raises:
            LockError: The snapshot is not that.
        """
        snapshot = materialise_snapshot(self.repository, tree, files, self.folder / "snapshots", self._hasher)
        self._snapshots.append(snapshot)
        return TrialRunner(config or self.config, sandbox, snapshot.folder, self.directory, self.redactor)

    def require_snapshots(self) -> None:
        """Prove that every snapshot in use is what was locked.

        Raises:
            LockError: One was tampered with.
        """
        for snapshot in self._snapshots:
            snapshot.require_intact()

    def instructions(self) -> str:
        """The text that proposers are told; "" when the lab has none."""
        name = self.config.lab.instructions
        return (self.config.folder / name).read_text("utf-8", "replace") if name else ""

    def close(self) -> None:
        """End helper processes, and let go of snapshots. Idempotent."""
        while self._snapshots:
            self._snapshots.pop().close()
        self.repository.close()
