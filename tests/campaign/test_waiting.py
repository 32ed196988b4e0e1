"""Time in which everything waits for the owner is no part of a budget of hours."""

import pytest

from lab_plugin.campaign import _spending
from lab_plugin.lab import Lab
from lab_plugin.ledger import OpenCampaign


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


def test_only_time_in_which_all_wait_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, lab = Clock(), object.__new__(Lab)
    monkeypatch.setattr(_spending, "time", clock)
    spending = _spending.Spending(lab, OpenCampaign(number=1, strategy="tpe"))
    clock.now = 10.0
    # One of two waits: the other one runs.
    with spending.waiting(lambda: 2):
        clock.now = 20.0
        assert spending.seconds == 20.0
        with spending.waiting(lambda: 2):
            clock.now = 120.0
            assert spending.seconds == 20.0
        clock.now = 130.0
        assert spending.seconds == 30.0
    with spending.waiting(lambda: 1):
        clock.now = 230.0
        # Another idea starts while it waits.
        spending.busy()
        clock.now = 240.0
    assert spending.seconds == 40.0
