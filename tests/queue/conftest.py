"""Locked labs, and ideas in their queue."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab_plugin.lab import Lab
from tests.campaign.conftest import lock


@pytest.fixture
async def folder(home: Path, make_lab: Callable[..., Path]) -> Path:
    place = make_lab()
    await lock(place)
    return place


@pytest.fixture
def lab(folder: Path) -> Iterator[Lab]:
    opened = Lab.open(folder)
    yield opened
    opened.close()
