"""Which refs of a lab all clones have in common, and where a clone notes those of the git remote."""

from __future__ import annotations

import re
from dataclasses import dataclass

LEDGER, QUEUE, NUMBERS, BEST, LEASE, HEARTBEAT = "ledger", "queue", "numbers", "best", "lease", "heartbeat"
OPEN, LOOKS, POINTS = "open/", "looks/", "points/"
_SINGLE = (LEDGER, QUEUE, NUMBERS, LEASE, HEARTBEAT)
_FOLDERS = (OPEN, LOOKS, POINTS)
_KNOWN = re.compile(
    r"ledger|queue|numbers|best|lease|heartbeat"
    r"|(?:open|points)/[0-9]{4,10}-[a-z0-9-]{1,60}|looks/[0-9]{1,9}/[0-9]{4,10}"
)


@dataclass(frozen=True)
class Names:
    """The refs of one lab.

    What a remote holds is called by its path: `ledger`, `open/0007-wider-mlp`, and `best` for the champion's
    branch. The branches of ideas have no path: they follow from the ledger.

    Attributes:
        lab: The lab's name.
    """

    lab: str

    @property
    def own(self) -> str:
        """What all refs of the lab that are no branches begin with."""
        return f"refs/lab/{self.lab}/"

    @property
    def shared(self) -> str:
        """What the refs begin with that note what the remote had when it was last taken in."""
        return f"{self.own}shared/"

    @property
    def incoming(self) -> str:
        """What the refs begin with that note what the remote had when it was last looked at."""
        return f"{self.own}incoming/"

    def ref(self, path: str) -> str:
        """The full name of a path, here and at the remote."""
        return f"refs/heads/lab/{self.lab}/best" if path == BEST else self.own + path

    def fetched(self) -> dict[str, str]:
        """What a fetch brings, as `Remote.fetch` takes it."""
        # A ref that is missing may not be named, but nothing may match a pattern.
        pairs = {f"{self.own}{name}*": f"{self.incoming}{name}*" for name in _SINGLE}
        pairs |= {f"{self.own}{folder}*": f"{self.incoming}{folder}*" for folder in _FOLDERS}
        return {**pairs, f"{self.ref(BEST)}*": f"{self.incoming}{BEST}*"}


def known(path: str) -> bool:
    """Whether a path is one that clones share; all else at a remote is not looked at."""
    return _KNOWN.fullmatch(path) is not None


def number_of(path: str) -> int:
    """The number of the idea that `open/0007-wider-mlp` or `looks/1/0007` is about."""
    return int(path.rpartition("/")[2].partition("-")[0])
