"""The names of a lab in git and in Prefect: its refs, its branches, its tag."""

from __future__ import annotations

from functools import cached_property

from lab_plugin.config import Config
from lab_plugin.home import identity, shared_identity
from lab_plugin.repository import Repository


class LabNames:
    """The names of one lab; none of them says that the thing exists.

    Args:
        config: The lab's `lab.toml`.
        repository: The user's git repository.

    Attributes:
        config: The lab's `lab.toml`.
        repository: The user's git repository.
        directory: The lab's folder relative to the repository's root, "." for the root.
        name: The lab's name.
        identity: Eight hex digits, stable for this lab in this repository.
    """

    def __init__(self, config: Config, repository: Repository) -> None:
        self.config = config
        self.repository = repository
        self.directory = config.folder.resolve().relative_to(repository.top.resolve()).as_posix()
        self.name = config.lab.name
        self.identity = identity(repository.common_dir, self.directory, self.name)

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
    def queue_ref(self) -> str:
        """What the owner wishes of the open ideas."""
        return f"refs/lab/{self.name}/queue"

    @property
    def numbers_ref(self) -> str:
        """The number of the next idea."""
        return f"refs/lab/{self.name}/numbers"

    @property
    def shared_prefix(self) -> str:
        """Where the refs of the git remote were when they were last taken in; see `lab_plugin.sharing`."""
        return f"refs/lab/{self.name}/shared/"

    @property
    def incoming_prefix(self) -> str:
        """Where they were when they were last seen."""
        return f"refs/lab/{self.name}/incoming/"

    @cached_property
    def key(self) -> str:
        """Eight hex digits that tell this lab from others of its name, in every clone that shares it."""
        if self.config.lab.remote is None:
            return self.identity
        address = self.repository.remote(self.config.lab.remote, base=self.config.folder).address
        return shared_identity(address, self.directory, self.name)

    @property
    def tag(self) -> str:
        """The Prefect tag of all runs of this lab."""
        return f"lab:{self.name}-{self.key}"

    def branch(self, idea: str) -> str:
        """The branch of an idea, from its name `0007-wider-mlp`."""
        return f"lab/{self.name}/ideas/{idea}"

    def path(self, relative: str) -> str:
        """A path of the lab as a path of the repository."""
        return relative if self.directory == "." else f"{self.directory}/{relative}"
