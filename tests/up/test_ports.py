"""Ports, chosen or given."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from lab_plugin.errors import UpError
from lab_plugin.up._ports import choose_port
from tests.ports import free_port


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def test_the_usual_port_is_taken_when_it_is_free() -> None:
    said: list[str] = []
    port = free_port()
    assert choose_port("--port", None, port, said.append) == port
    assert said == []


def test_another_one_is_chosen_and_said(taken: int) -> None:
    said: list[str] = []
    port = choose_port("--port", None, taken, said.append)
    assert port != taken
    assert f"port {taken} is taken by process {os.getpid()}" in said[0]
    assert str(port) in said[0]


def test_a_given_port_is_never_replaced(taken: int) -> None:
    with pytest.raises(UpError, match=f"Port {taken}, given by --port, is taken by process {os.getpid()}"):
        choose_port("--port", taken, free_port(), print)
    with socket.socket() as bound, pytest.raises(UpError, match="is taken by something"):
        # Bound and not listening, so that no table names its owner.
        bound.bind(("127.0.0.1", 0))
        choose_port("--port", bound.getsockname()[1], free_port(), print)
