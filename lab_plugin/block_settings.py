"""What Prefect blocks say of a lab: settings, remembered in its home folder, and secrets, kept nowhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab_plugin.config import Blocks
from lab_plugin.whole_file import write_whole

_FILE = "blocks.json"


@dataclass(frozen=True)
class BlockSettings:
    """The blocks of a lab as they were looked up.

    Attributes:
        settings: `TYPE/NAME` -> settings for `lab.toml`, plain JSON values.
        secrets: `TYPE/NAME` -> what of it is secret. It stays in this process, or goes through a pipe.
    """

    settings: Blocks = field(default_factory=dict)
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)

    def secret(self, names: tuple[str, ...], key: str) -> str:
        """A secret of the first of the blocks that has it; "" where none does."""
        return next((found for name in names if (found := self.secrets.get(name, {}).get(key))), "")

    def to_json(self) -> str:
        """One line, secrets included: for a pipe to a process of this user, and nothing else."""
        return json.dumps([self.settings, self.secrets])

    @classmethod
    def from_json(cls, line: str) -> BlockSettings:
        """What `to_json` gave."""
        settings, secrets = json.loads(line)
        return cls(settings, secrets)

    def remember(self, folder: Path) -> None:
        """Keep the settings, without the secrets, for commands that do without the Prefect API.

        Args:
            folder: The lab's, in the user's state folder.
        """
        write_whole(folder / _FILE, json.dumps(self.settings, indent=2, sort_keys=True).encode())


def remembered(folder: Path) -> Blocks:
    """The settings that were looked up last; none where that never was, or they cannot be read.

    Args:
        folder: The lab's, in the user's state folder.
    """
    try:
        found: Any = json.loads((folder / _FILE).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: settings for name, settings in found.items() if isinstance(settings, dict)}
