"""Ports for servers of the tests."""

import socket

_held: list[socket.socket] = []


def free_port() -> int:
    """A port that nothing listens on, and that the kernel gives to nobody else until this process ends.

    Bound and never listening: a server that reuses addresses, as all here do, can listen on it.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    _held.append(held)
    return int(held.getsockname()[1])
