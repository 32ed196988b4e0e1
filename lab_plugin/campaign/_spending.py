"""What a campaign has spent, and what its budget lets it still do."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace

from lab_plugin.budget import Budget, Spent, exhausted
from lab_plugin.errors import LabError
from lab_plugin.lab import Lab
from lab_plugin.ledger import OpenCampaign, State


class Spending:
    """Keeps a campaign's accounts; all but the time of this process comes from the ledger.

    Args:
        lab: The lab.
        view: The campaign.

    Attributes:
        budget: The campaign's bounds.
    """

    def __init__(self, lab: Lab, view: OpenCampaign) -> None:
        self._lab = lab
        self._number = view.number
        self.budget = Budget.from_record(dict(view.budget))
        self._base_seconds = view.spent.seconds
        self._began = time.monotonic()
        self._waits = 0
        self._idle = 0.0
        self._idle_since: float | None = None

    @property
    def seconds(self) -> float:
        """Active wall seconds of the campaign, earlier processes included.

        Time in which all ideas in flight wait for their owner is not active.
        """
        now = time.monotonic()
        idle = self._idle + (now - self._idle_since if self._idle_since is not None else 0.0)
        return self._base_seconds + now - self._began - idle

    @contextmanager
    def waiting(self, in_flight: Callable[[], int]) -> Iterator[None]:
        """An idea waits for its owner as long as the block lasts.

        Args:
            in_flight: Tells how many ideas are under way, this one too.
        """
        self._waits += 1
        if self._idle_since is None and self._waits >= in_flight():
            self._idle_since = time.monotonic()
        try:
            yield
        finally:
            self._waits -= 1
            self.busy()

    def busy(self) -> None:
        """An idea is under way that does not wait for its owner."""
        if self._idle_since is not None:
            self._idle += time.monotonic() - self._idle_since
            self._idle_since = None

    @property
    def view(self) -> OpenCampaign:
        """The campaign as the ledger has it now.

        Raises:
            LabError: Somebody closed it.
        """
        return self._view_in(self._lab.ledger.state())

    def exhausted(self, in_flight: Collection[int] = ()) -> str | None:
        """Why no further idea may start; None while one may.

        Args:
            in_flight: Ideas that were started; those without a verdict count as spent.
        """
        state = self._lab.ledger.state()
        # Between its verdict and the end of its iteration, an idea is in the ledger and still in flight.
        return self._over(state, self.budget, sum(number not in state.ideas for number in in_flight))

    def must_end(self) -> str | None:
        """Why also ideas that wait for the next tier may not go on; None while they may.

        What was to be spent on ideas is spent when all iterations are, and then the best of them still go
        on. When time, money or patience is out, or the target is reached, they do not.
        """
        budget = replace(self.budget, iterations=None, plateau=None)
        return self._over(self._lab.ledger.state(), budget, 0)

    def hours_spent(self) -> str:
        """Why no further repeat may be run; "" while one may."""
        hours = self.budget.hours
        return f"as {hours:g} hours are spent" if hours and self.seconds >= 3600 * hours else ""

    def share(self) -> float:
        """How much of the budget is spent, 0 to 1; of the bound that is nearest."""
        spent, budget = self.view.spent, self.budget
        shares = [0.0]
        if budget.iterations:
            shares.append(spent.iterations / budget.iterations)
        if budget.hours:
            shares.append(self.seconds / 3600 / budget.hours)
        if budget.cost_usd:
            shares.append(spent.usd / budget.cost_usd)
        return min(1.0, max(shares))

    def _view_in(self, state: State) -> OpenCampaign:
        view = state.campaign
        if view is None or view.number != self._number:
            raise LabError(f"Campaign {self._number} was closed by somebody else.", "Run `lab run` again.")
        return view

    def _over(self, state: State, budget: Budget, in_flight: int) -> str | None:
        spent = self._view_in(state).spent
        now = Spent(
            iterations=spent.iterations,
            seconds=self.seconds,
            usd=spent.usd,
            crashes=spent.crashes,
            since_keep=spent.since_keep,
        )
        assert state.champion is not None
        return exhausted(budget, now, state.champion.value, self._lab.config.scorer.goal, in_flight)
