"""What a trial's process and its worker's nursery say to each other, over a socket that has no file."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import struct
import sys
from collections.abc import Mapping

READY, GO = b"+", b"!"
_LENGTH = struct.Struct("!I")
_STATUS = struct.Struct("!i")
_PEER = struct.Struct("3i")
_MOST = 4 << 20
# Of one run, or of the shell that started it.
_OWN = ("PREFECT__", "OLDPWD", "PWD", "SHLVL", "_")


def own_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """What the environments of all runs of a worker have in common."""
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith(_OWN[0]) and name not in _OWN[1:]
    }


def address(worker: int) -> str:
    """Of the nursery for runs of this interpreter and this environment, below a worker."""
    known = json.dumps([worker, sys.executable, sorted(own_variables(os.environ).items())])
    return f"\0prefect-lab-{os.getuid()}-{hashlib.sha256(known.encode()).hexdigest()[:40]}"


def is_own(connection: socket.socket) -> bool:
    """Whether a process of this user is at the other end."""
    peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    return bool(_PEER.unpack(peer)[1] == os.getuid())


def send_request(connection: socket.socket) -> None:
    """Send this process's environment, folder and standard streams."""
    body = json.dumps({"env": dict(os.environ), "cwd": os.getcwd()}).encode("utf-8", "surrogateescape")
    socket.send_fds(connection, [_LENGTH.pack(len(body))], [0, 1, 2])
    connection.sendall(body)


def receive_request(connection: socket.socket) -> tuple[dict[str, str], str, list[int]]:
    """Environment, folder and standard streams.

    Raises:
        OSError: The other end is gone, or says something else.
    """
    head, streams, _, _ = socket.recv_fds(connection, _LENGTH.size, 3)
    if len(head) != _LENGTH.size or len(streams) != 3:
        raise OSError("no request")
    (length,) = _LENGTH.unpack(head)
    if length > _MOST:
        raise OSError("the request is too long")
    request = json.loads(_exactly(connection, length).decode("utf-8", "surrogateescape"))
    return request["env"], request["cwd"], streams


def send_status(connection: socket.socket, status: int) -> None:
    """Send how a process ended: its exit status, or minus the signal."""
    connection.sendall(_STATUS.pack(status))


def receive_status(connection: socket.socket) -> int:
    """Wait until the process has ended.

    Raises:
        OSError: Nothing is known of it.
    """
    return int(_STATUS.unpack(_exactly(connection, _STATUS.size))[0])


def _exactly(connection: socket.socket, length: int) -> bytes:
    found = bytearray()
    while len(found) < length:
        if not (data := connection.recv(length - len(found))):
            raise OSError("the other end is gone")
        found += data
    return bytes(found)
