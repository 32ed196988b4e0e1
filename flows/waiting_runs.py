"""Runs of iterations that ended while their idea waits for the next tier: closed when it waits no more."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from prefect.client.schemas.objects import State
from prefect.states import Completed

from lab_plugin.events import IdeaDecided, IdeaScreened

Close = Callable[[UUID, str, State[None]], None]


class WaitingRuns:
    """Follows ideas that wait.

    Args:
        close: Gives a flow run another name ("" for none) and its last state.
    """

    def __init__(self, close: Close) -> None:
        self._close = close
        self._runs: dict[int, tuple[UUID, str]] = {}

    def screened(self, event: IdeaScreened) -> None:
        """An idea has a result; its run ends if it waits."""
        if event.waits and event.flow_run:
            name = f"{event.record.number:04d} {event.record.tier} {event.record.value:.6g}"
            self._runs[event.record.number] = (UUID(event.flow_run), name)

    def decided(self, event: IdeaDecided) -> None:
        """An idea has its verdict: in a later run, or without one."""
        run, name = self._runs.pop(event.record.number, (None, ""))
        if run is None:
            return
        if str(run) == event.record.flow_run:
            word = event.record.verdict.capitalize()
            self._close(run, "", Completed(name=word, message=event.record.reason))
        else:
            self._close(run, name, Completed(name="Promoted"))
