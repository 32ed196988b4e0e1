"""How long a foreign heartbeat has not moved, by this machine's own monotonic clock.

The clocks of two machines are never compared: only that the heartbeat is still at the object at which it was
seen before counts, and how long ago that was here.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Sighting:
    """Remembers since when a heartbeat was seen where it is, also over restarts of the program.

    Attributes:
        path: The file.
        now: Seconds of a clock that all processes share since the machine's start.
    """

    path: Path
    now: Callable[[], float] = time.monotonic

    def still(self, lease: str, beat: str) -> float:
        """Look at the heartbeat; returns the seconds since it was first seen there.

        Args:
            lease: Where the lease is.
            beat: Where the heartbeat is; "" for none.
        """
        now, seen = self.now(), {"boot": _boot(), "lease": lease, "beat": beat}
        known = self._read()
        since = known.pop("since", None)
        if known == seen and isinstance(since, int | float) and now >= since:
            return now - since
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".part")
        partial.write_text(json.dumps({**seen, "since": now}), "ascii")
        partial.replace(self.path)
        return 0.0

    def _read(self) -> dict[str, object]:
        try:
            found = json.loads(self.path.read_text("ascii"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""
