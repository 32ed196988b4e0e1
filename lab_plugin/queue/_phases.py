"""What the running campaign of this machine does with which idea, for those who ask from another process."""

from __future__ import annotations

import json
import os
from pathlib import Path

ASKING = "waiting for its owner"
"""The phase of an idea that waits for approve, edit or skip."""

_LARGEST = 1 << 20


class Phases:
    """A small file that a campaign writes whenever an idea goes on; nothing is lost with it.

    Args:
        folder: The lab's state folder.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "phases.json"
        self._phases: dict[int, str] = {}

    def enter(self, number: int, phase: str) -> None:
        """What is done with an idea now: `proposing`, `executing`, `evaluating`, `comparing`, or `ASKING`."""
        self._phases[number] = phase
        self._write()

    def leave(self, number: int) -> None:
        """An idea is under way no more. Idempotent."""
        if self._phases.pop(number, None) is not None:
            self._write()

    def of(self, number: int) -> str:
        """What is done with an idea; empty for nothing."""
        return self._phases.get(number, "")

    def read(self) -> dict[int, str]:
        """Idea -> phase, as the file has it; nothing where it cannot be read."""
        try:
            if self._file.stat().st_size > _LARGEST:
                return {}
            found = json.loads(self._file.read_bytes())
            return {int(number): str(phase) for number, phase in found.items()}
        except (OSError, ValueError, AttributeError, RecursionError):
            return {}

    def clear(self) -> None:
        """Nothing is under way: a campaign begins or ends."""
        self._phases.clear()
        self._file.unlink(missing_ok=True)

    def _write(self) -> None:
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps(self._phases))
        os.replace(fresh, self._file)
