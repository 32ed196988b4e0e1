"""What is known of one request, for the access log and the counts."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from lab_plugin.network._limits import ProxyLimits, Usage

_MAX_HOST = 255

Verdict = Literal["allowed", "refused", "failed"]


class Stopped(Exception):
    """A request goes no further.

    Args:
        verdict: Whether a rule or check stopped it (`refused`), or the network did (`failed`).
        status: HTTP status to answer with.
        reason: Why, one phrase; shown to the client and logged, so it quotes nobody.
    """

    def __init__(self, verdict: Verdict, status: int, reason: str) -> None:
        super().__init__(reason)
        self.verdict: Verdict = verdict
        self.status = status
        self.reason = reason


class Totals:
    """Counts of one proxy.

    Args:
        limits: Of which the transfer limit is held here.
    """

    def __init__(self, limits: ProxyLimits) -> None:
        self._limits = limits
        self.requests = 0
        self.refused = 0
        self.failed = 0
        self.up = 0
        self.down = 0

    def check(self) -> None:
        """Stop a request of a job that has used up what it may.

        Raises:
            Stopped: It has.
        """
        if self.requests > self._limits.requests:
            raise Stopped("refused", 429, "this job has made all the requests that it may")
        if self.up + self.down > self._limits.transfer_bytes:
            raise Stopped("refused", 429, "this job has transferred all that it may")

    def usage(self, unlogged: int) -> Usage:
        """The counts as a value."""
        return Usage(
            requests=self.requests,
            refused=self.refused,
            failed=self.failed,
            bytes_up=self.up,
            bytes_down=self.down,
            unlogged=unlogged,
        )


@dataclass
class Exchange:
    """One request and what came of it.

    Attributes:
        totals: Where its bytes are counted too.
        kind: `tunnel`, `request` (with a credential), or empty before that is known.
        host: Target, empty before it is known; canonical once it is allowed.
        port: Its port, 0 before it is known.
        address: The address connected to or refused.
        verdict: What became of it; `allowed` only once it is.
        reason: Why it was stopped or ended early; empty when it ran to its end.
        up: Bytes sent to the host.
        down: Bytes received from it.
        is_answered: Whether the client has its answer's head, so that no other can be given.
    """

    totals: Totals
    kind: str = ""
    host: str = ""
    port: int = 0
    address: str = ""
    verdict: Verdict = "failed"
    reason: str = ""
    up: int = 0
    down: int = 0
    is_answered: bool = False
    _time: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))
    _start: float = field(default_factory=time.monotonic)

    def aim(self, host: str, port: int) -> None:
        """Note the target as the client wrote it, cut to the length of a name."""
        self.host, self.port = host[:_MAX_HOST], port

    def count_up(self, count: int) -> None:
        """Count bytes before they go to the host.

        Raises:
            Stopped: The job has transferred all that it may.
        """
        self.up += count
        self.totals.up += count
        self.totals.check()

    def count_down(self, count: int) -> None:
        """Count bytes that came from the host.

        Raises:
            Stopped: The job has transferred all that it may.
        """
        self.down += count
        self.totals.down += count
        self.totals.check()

    def stop(self, verdict: Verdict, reason: str) -> None:
        """Say how it ended."""
        self.verdict, self.reason = verdict, reason

    def close(self) -> dict[str, object]:
        """Count it, and give its line for the log."""
        self.totals.refused += self.verdict == "refused"
        self.totals.failed += self.verdict == "failed"
        return {
            "time": self._time.replace("+00:00", "Z"),
            "kind": self.kind,
            "host": self.host,
            "port": self.port,
            "address": self.address,
            "verdict": self.verdict,
            "reason": self.reason,
            "up": self.up,
            "down": self.down,
            "seconds": round(time.monotonic() - self._start, 3),
        }
