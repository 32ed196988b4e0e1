"""How a campaign looks in a terminal: a bar with best, keep rate, budget and time left, or plain lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from lab_plugin.events import (
    CampaignEnded,
    CampaignOpened,
    ChampionConfirmed,
    Event,
    IdeaDecided,
    IdeaWaits,
    Notice,
)
from lab_plugin.report import idea_name


class Progress:
    """Listens to a campaign and shows it on stderr; a context manager.

    Args:
        metric: The metric's name.
        quiet: Show nothing.
    """

    def __init__(self, metric: str, quiet: bool = False) -> None:
        self._metric = metric
        self._quiet = quiet
        self._live = sys.stderr.isatty() and not quiet
        self._began = time.monotonic()
        self._done_before = 0
        self._total: int | None = None

    def __enter__(self) -> Self:
        if self._live:
            self._start_bar()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._bar.stop()

    def note(self, text: str) -> None:
        """Show a line that is no event."""
        if self._live:
            self._bar.console.print(text, markup=False, highlight=False)
        elif not self._quiet:
            print(text, file=sys.stderr, flush=True)

    def _tell(self, text: str) -> None:
        """Show a line that the owner should see whatever else is shown; stdout is not touched."""
        if self._live:
            self.note(text)
        else:
            print(text, file=sys.stderr, flush=True)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Leave the terminal to somebody else for as long as the block lasts."""
        if self._live:
            self._bar.stop()
        try:
            yield
        finally:
            if self._live:
                self._bar.start()

    def __call__(self, event: Event) -> None:
        """Show an event."""
        if isinstance(event, CampaignOpened):
            self._opened(event)
        elif isinstance(event, IdeaDecided):
            self._decided(event)
        elif isinstance(event, IdeaWaits) and event.where:
            self.note(f"idea {event.number} waits for approve, edit or skip: {event.where}")
        elif isinstance(event, ChampionConfirmed):
            self.note(f"champion: {event.sentence}")
        elif isinstance(event, Notice):
            self._tell(event.text)
        elif isinstance(event, CampaignEnded):
            self.note(f"campaign {event.campaign}: {event.reason}")

    def _opened(self, event: CampaignOpened) -> None:
        self._done_before, self._total, self._began = event.iterations, event.total, time.monotonic()
        how = f"goes on after {event.iterations} iterations" if event.resumed else "begins"
        self.note(
            f"campaign {event.campaign} {how}; sandbox {event.sandbox}; "
            f"champion {self._metric} {event.champion:.6g}"
        )
        if event.warning:
            self.note(f"warning: {event.warning}")
        if self._live:
            self._bar.update(self._task, total=event.total, completed=event.iterations, line="")

    def _decided(self, event: IdeaDecided) -> None:
        record = event.record
        value = "" if record.value is None else f" {record.value:.6g}"
        if record.drift is not None and (record.drift.moved or record.drift.found):
            what = "moved" if record.drift.moved else "is not deterministic"
            self.note(f"warning: the champion's score {what}; see `lab show {record.number}`")
        reason = "" if record.value is not None else f": {record.reason.partition(chr(10))[0]}"
        # A bar shows the flow of plain ideas by itself; what is kept, or fails, deserves a line.
        if not self._live or record.verdict != "reverted":
            self.note(f"{idea_name(record)}: {record.verdict}{value}{reason}")
        if self._live:
            self._bar.update(self._task, completed=event.iterations, line=self._line(event))
        elif event.iterations % 10 == 0:
            self.note(f"  {self._line(event)}")

    def _line(self, event: IdeaDecided) -> str:
        rate = event.kept / event.iterations if event.iterations else 0.0
        spent = f"{event.iterations}" + (f"/{self._total}" if self._total is not None else "")
        cost = f", ${event.usd:.2f}" if event.usd else ""
        return f"best {event.champion:.6g}, kept {rate:.0%}, {spent} ideas{cost}, {self._left(event)}"

    def _left(self, event: IdeaDecided) -> str:
        done = event.iterations - self._done_before
        if self._total is None or done < 1 or event.iterations >= self._total:
            return f"{event.seconds:.0f} s"
        seconds = (time.monotonic() - self._began) / done * (self._total - event.iterations)
        minutes, rest = divmod(int(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02d}:{rest:02d} left"

    def _start_bar(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TextColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(
            SpinnerColumn(), BarColumn(), TextColumn("{task.fields[line]}"), console=Console(stderr=True)
        )
        self._task = self._bar.add_task("campaign", total=None, line="starting")
        self._bar.start()
