"""What the lab asks of the launcher, and how it travels: one line of JSON each way."""

from __future__ import annotations

import array
import json
import socket
from typing import Any, NamedTuple

MAX_LINE = 8 << 20


class Refused(Exception):
    """The job can never run here.

    Args:
        message: What is wrong.
        remedy: What to do about it.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class Broken(Refused):
    """The sandbox failed; the job may be run again."""


class Lost(Exception):
    """What was made ahead for the job ended before its program began: the job can be run with another."""


class Request(NamedTuple):
    """One job, checked by the lab. Paths are absolute host paths unless said otherwise.

    Attributes:
        kind: `bubblewrap`, `process`, `zygote` (a warm interpreter, in bubblewrap) or `warm` (a fork of it).
        name: The job's name.
        command: argv.
        workspace: Seen read-only.
        directory: Working directory, relative to the workspace.
        rules: Path relative to the workspace -> `rw`, `ro` or `hidden`; `ro` where there is none.
        inputs: Variable -> host file or folder.
        outputs: Declared outputs, relative to the output folder.
        output_variables: Variable -> path relative to the output folder.
        destination: Takes logs and outputs; empty for a `zygote`, whose log is kept in memory.
        environment: Further variables.
        uid: Dedicated user and group to become; None without root.
        python: Interpreter that `python` on the PATH means.
        python_named: Whether its own folder has it under that name.
        mounts: Host folders seen read-only at their own paths.
        network_socket: Host socket to show inside; empty for none.
        forwarder: Host file of the program that carries it to the command.
        bwrap: The bubblewrap program; empty for `process`.
        warm: Modules that the warm interpreter imports; empty for every other kind.
        wall_seconds: As `Limits`; the following likewise.
        memory_bytes: Bytes.
        cpus: Cores.
        processes: Processes and threads.
        disk_bytes: Bytes.
        file_bytes: Bytes.
        log_bytes: Bytes.
    """

    kind: str
    name: str
    command: list[str]
    workspace: str
    directory: str
    rules: dict[str, str]
    inputs: dict[str, str]
    outputs: list[str]
    output_variables: dict[str, str]
    destination: str
    environment: dict[str, str]
    uid: int | None
    python: str
    python_named: bool
    mounts: list[str]
    network_socket: str
    forwarder: str
    bwrap: str
    warm: list[str]
    wall_seconds: float
    memory_bytes: int
    cpus: float
    processes: int
    disk_bytes: int
    file_bytes: int
    log_bytes: int


def send(channel: socket.socket, message: dict[str, Any], *fds: int) -> None:
    """Send one line; a peer that is gone does not matter."""
    data = json.dumps(message).encode() + b"\n"
    try:
        if fds:
            sent = socket.send_fds(channel, [data], list(fds))
            data = data[sent:]
        channel.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        pass


def receive_with_fds(channel: socket.socket, size: int, most: int, flags: int = 0) -> tuple[bytes, list[int]]:
    """Receive data and at most so many descriptors, closed on exec; `flags` as for `recvmsg`.

    `socket.recv_fds` ignores its flags: the descriptors would be inherited by every program started later.
    """
    fds = array.array("i")
    space = socket.CMSG_LEN(most * fds.itemsize)
    data, ancillary, _, _ = channel.recvmsg(size, space, flags | socket.MSG_CMSG_CLOEXEC)
    for _, _, payload in ancillary:
        fds.frombytes(payload[: len(payload) // fds.itemsize * fds.itemsize])
    return data, list(fds)


def receive_with_fd(channel: socket.socket, size: int, flags: int = 0) -> tuple[bytes, int | None]:
    """Receive data and at most one descriptor, as `receive_with_fds` does."""
    data, fds = receive_with_fds(channel, size, 1, flags)
    return data, fds[0] if fds else None


def receive_message(channel: socket.socket, most: int) -> tuple[dict[str, Any] | None, list[int]]:
    """Read one line, None when the peer is gone; and the descriptors, at most so many, that came with it."""
    chunk, fds = receive_with_fds(channel, 1 << 16, most)
    data = bytearray(chunk)
    while chunk and len(data) <= MAX_LINE and not data.endswith(b"\n"):
        chunk = channel.recv(1 << 16)
        data += chunk
    return json.loads(data) if data.endswith(b"\n") else None, fds


def receive(channel: socket.socket) -> tuple[Request | None, int]:
    """Read the request, None when the lab is gone; and the descriptor that came with it, or -1."""
    message, fds = receive_message(channel, 1)
    return None if message is None else Request(**message), fds[0] if fds else -1
