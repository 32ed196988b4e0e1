"""Sockets that a candidate should not reach."""

from __future__ import annotations

from tests.attacks._attack import CHANNEL, Attack, model

_SOCKETS = "sockets"

REACHED = (
    Attack(
        name="connects to a port of the host",
        family=_SOCKETS,
        files=model(
            """
import socket
try:
    socket.create_connection(("127.0.0.1", @PORT@), 2).close()
    breach("a port of the host")
except OSError:
    pass
"""
        ),
        process="open",
    ),
    Attack(
        name="connects to unix sockets of the host",
        family=_SOCKETS,
        files=model(
            """
import socket
for address in ("@SOCKET@", "\\0@ABSTRACT@"):
    try:
        socket.socket(socket.AF_UNIX).connect(address)
        breach("a socket of the host")
    except OSError:
        pass
"""
        ),
        process="open",
    ),
    Attack(
        name="asks in the scorer's place",
        family=_SOCKETS,
        files=model(
            """
import socket
folder = os.path.dirname(os.environ["LAB_CHANNEL"])
for name in [*os.listdir(folder), "scorer.sock"]:
    if name != os.path.basename(os.environ["LAB_CHANNEL"]):
        try:
            socket.socket(socket.AF_UNIX).connect(os.path.join(folder, name))
            breach("the scorer's socket")
        except OSError:
            pass
"""
        ),
        contracts=CHANNEL,
        process="open",
        naive="",
    ),
)
