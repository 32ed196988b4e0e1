"""Blocks on a real Prefect API: that of the shared state folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

from lab_plugin.local_api import LocalApi

At = Callable[[str], AbstractContextManager[None]]


@pytest.fixture
def at(tmp_path: Path) -> At:
    """Points this process's Prefect at an API for a while."""

    @contextmanager
    def point(url: str) -> Iterator[None]:
        with temporary_settings({PREFECT_API_URL: url, PREFECT_HOME: tmp_path / "prefect"}):
            yield

    return point


@pytest.fixture
def api(shared_home: Path, at: At) -> Iterator[str]:
    """The API that `cli` uses too, where no profile names another."""
    with LocalApi(shared_home / "prefect") as local:
        local.start()
        url = local.wait()
        with at(url):
            yield url
