"""Which port a server gets."""

from __future__ import annotations

import socket
from collections.abc import Callable

from lab_plugin.errors import UpError
from lab_plugin.services import holder, listeners

HOST = "127.0.0.1"


def choose_port(flag: str, given: int | None, usual: int, say: Callable[[str], None]) -> int:
    """A port that can be listened on now.

    Args:
        flag: The option that gives it.
        given: The port that is asked for; None for the usual one or, where that is taken, any.
        usual: Tried first.
        say: Told when the usual one is taken.

    Raises:
        UpError: The port that is asked for is taken.
    """
    wanted = usual if given is None else given
    if (taken := _taken(wanted)) is None:
        return wanted
    if given is not None:
        raise UpError(
            f"Port {given}, given by {flag}, is taken by {taken}.",
            f"End that, give another port, or leave {flag} out: a free one is then chosen.",
        )
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        free = int(probe.getsockname()[1])
    say(f"port {wanted} is taken by {taken}; port {free} is used instead")
    return free


def _taken(port: int) -> str | None:
    """Who has a port; None when it is free."""
    if found := listeners(port):
        return holder(found)
    with socket.socket() as probe:
        # As servers do: connections of the past are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError:
            return "the system, which lets only root listen there"
        except OSError as error:
            return f"something ({error.strerror})"
    return None
