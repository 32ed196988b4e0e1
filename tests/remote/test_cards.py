"""Graphics cards of a machine, shared out between processes by locks."""

import asyncio
from pathlib import Path

import pytest

from lab_plugin.errors import FleetError
from lab_plugin.remote._cards import cards_held


async def test_no_card_has_two_trials_unless_that_is_allowed(tmp_path: Path) -> None:
    cards = ("GPU-a", "GPU-b")
    async with cards_held(tmp_path, cards, 1) as first, cards_held(tmp_path, cards, 1) as second:
        assert {*first, *second} == set(cards)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2), cards_held(tmp_path, cards, 1):
                pass
        async with cards_held(tmp_path, cards, 2, jobs_per_gpu=2) as shared:
            assert set(shared) == set(cards)
    async with cards_held(tmp_path, cards, 2) as both:
        assert both == cards
    with pytest.raises(FleetError, match="asks for 3"):
        async with cards_held(tmp_path, cards, 3):
            pass
