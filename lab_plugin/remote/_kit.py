"""The kit: what a worker needs of a lab to run any of its trials, besides candidate, scorer and data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from lab_plugin import config as configuration
from lab_plugin.config import Config
from lab_plugin.errors import FleetError
from lab_plugin.repository import Blob, Repository
from lab_plugin.scorer import FILE_NAME, Lock

_CONFIG, _FACTS = "lab.toml", "kit.json"
_MAX_BYTES = 64 << 20


class _Facts(BaseModel):
    model_config = ConfigDict(extra="forbid")

    directory: str
    tests: dict[str, tuple[str, ...]]
    blocks: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Kit:
    """A lab as its workers know it.

    Attributes:
        text: Its `lab.toml`.
        lock: Its `lab.lock`.
        directory: The lab's folder, relative to a candidate's workspace.
        tests: Tier -> ids of its locked tests, where its scorer consists of tests.
        blocks: What the Prefect blocks say that stand for its sandboxes.
    """

    text: str
    lock: Lock
    directory: str
    tests: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    blocks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def store(self, repository: Repository) -> str:
        """Write it into git's object store; the tree's id."""
        facts = {
            "directory": self.directory,
            "tests": {name: list(ids) for name, ids in self.tests.items()},
            "blocks": {name: dict(settings) for name, settings in self.blocks.items()},
        }
        files = {
            _CONFIG: self.text.encode(),
            FILE_NAME: self.lock.to_bytes(),
            _FACTS: json.dumps(facts, sort_keys=True).encode(),
        }
        return repository.write_tree({name: Blob(data=data) for name, data in files.items()})

    @classmethod
    def load(cls, repository: Repository, tree: str) -> Kit:
        """Read it back.

        Raises:
            FleetError: It is damaged.
        """
        try:
            text = repository.read_file(tree, _CONFIG, _MAX_BYTES).decode("utf-8")
            lock = Lock.model_validate_json(repository.read_file(tree, FILE_NAME, _MAX_BYTES))
            facts = _Facts.model_validate_json(repository.read_file(tree, _FACTS, _MAX_BYTES))
        except (ValidationError, UnicodeDecodeError) as error:
            raise FleetError(f"The kit {tree} cannot be read: {str(error).splitlines()[0]}.") from error
        if lock.terms.digest() != lock.digest:
            raise FleetError(f"The lock in the kit {tree} has another digest than its content.")
        return cls(text, lock, facts.directory, facts.tests, facts.blocks)

    def config_at(self, tier: str, folder: Path) -> Config:
        """The lab's configuration at a tier.

        Args:
            tier: The tier's name.
            folder: What stands for the lab's folder: public data is found there.

        Raises:
            ConfigError: This program cannot read it.
            FleetError: There is no such tier, or it is not what was locked.
        """
        whole = configuration.parse(self.text, str(folder / _CONFIG), self.blocks)
        if whole.scoring_rules() != self.lock.terms.rules:
            raise FleetError("The kit's lab.toml has other rules than its lock.")
        for one in whole.tiers:
            if one.name == tier:
                return one.config
        raise FleetError(f"The kit's lab.toml has no tier {tier!r}.")
