"""What `lab init` asks for."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

_NAME_LENGTH = 40


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What a new lab is about.

    Attributes:
        name: The lab's name.
        metric: The number that decides.
        goal: `maximize` or `minimize`.
        candidate: File or folder that ideas may change, relative to the lab's folder; when it does not
            exist, a small working one is written.
        command: How the candidate is run, as in a shell; it is split into words, and no shell runs it.
        output: The file that the candidate writes under `$LAB_OUTPUTS`.
    """

    name: str
    metric: str = "score"
    goal: str = "maximize"
    candidate: str = "train.py"
    command: str = "python train.py"
    output: str = "predictions.json"

    @classmethod
    def for_folder(cls, folder: Path) -> Answers:
        """Defaults for a lab in a folder, named after it."""
        name = re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-")
        return cls(name=name[:_NAME_LENGTH].strip("-") or "lab")

    def with_changes(self, changes: Mapping[str, str]) -> Answers:
        """These answers with some replaced.

        Args:
            changes: Name of an answer to its new text. A new candidate brings its own command, unless
                the command is changed too.
        """
        changed = dict(changes)
        candidate = changed.get("candidate", self.candidate)
        if candidate != self.candidate and changed.get("command", self.command) == self.command:
            changed["command"] = shlex.join(("python", candidate))
        return replace(self, **changed)
