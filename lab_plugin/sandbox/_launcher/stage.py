"""What a supervisor asks of the place where a program runs."""

from __future__ import annotations

import signal
from typing import NamedTuple

from .grown import Grown
from .streams import Stream


class Ended(NamedTuple):
    """How a program ended.

    Attributes:
        exit_code: None when a signal ended it, or when nobody saw its end.
        signal: Likewise.
        cpu_seconds: Of the whole tree; None where it cannot be told.
        fault: Why it could not be executed; empty otherwise.
    """

    exit_code: int | None
    signal: int | None
    cpu_seconds: float | None
    fault: str


class Stage:
    """One job's place. The constructor makes it, `start` fills it, `finish` proves that it is empty.

    Attributes:
        grown: What is on the host's disk whose growth counts as the job's writing.
    """

    grown: Grown

    def start(self, streams: tuple[Stream, Stream]) -> int:
        """Start the program, held back; the returned pidfd is readable when it ended.

        Raises:
            Broken: The place cannot be made.
            NotStarted: The program cannot be executed.
        """
        raise NotImplementedError

    def release(self) -> None:
        """Let the program go."""

    def kill(self, pidfd: int) -> None:
        """Begin to end everything; may be called again."""
        try:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        except ProcessLookupError:
            return

    def finish(self) -> Ended:
        """End what is left, reap it, and return only when nothing of the job is alive."""
        raise NotImplementedError

    def outputs(self) -> int:
        """Open output folder."""
        raise NotImplementedError

    def full(self) -> bool:
        """Whether the writable storage is full."""
        return False

    def clear(self) -> None:
        """Remove what was made for the job."""
