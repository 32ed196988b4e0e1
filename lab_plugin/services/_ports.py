"""Who listens on a port of this machine."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from lab_plugin.services._processes import every, shown

_LISTENING = "0A"
_LOOPBACK, _ANY = "127.0.0.1", "0.0.0.0"  # noqa: S104 - compared with, never bound


def listeners(port: int) -> dict[int, int]:
    """Sockets that may take connections to 127.0.0.1 at a port: inode -> the owner's user id."""
    narrow = {_hex(socket.AF_INET, address) for address in (_LOOPBACK, _ANY)}
    wide = {_hex(socket.AF_INET6, address) for address in (f"::ffff:{_LOOPBACK}", f"::ffff:{_ANY}", "::")}
    # A socket of IPv6 gets them only where none of IPv4 does.
    return _listening("/proc/net/tcp", narrow, port) or _listening("/proc/net/tcp6", wide, port)


def belongs(inode: int, pids: Iterable[int]) -> bool:
    """Whether one of some processes has a socket open."""
    return any(_holds(pid, inode) for pid in pids)


def holder(found: dict[int, int]) -> str:
    """Who has one of some sockets, for a message.

    Args:
        found: As `listeners` gave them.
    """
    inode, user = next(iter(found.items()))
    pid = next((pid for pid in every() if _holds(pid, inode)), None)
    return shown(pid) if pid is not None else f"a process of user {user}"


def _holds(pid: int, inode: int) -> bool:
    wanted = f"socket:[{inode}]"
    with suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                if os.readlink(f"/proc/{pid}/fd/{name}") == wanted:
                    return True
    return False


def _listening(table: str, addresses: set[str], port: int) -> dict[int, int]:
    found: dict[int, int] = {}
    with suppress(FileNotFoundError), Path(table).open(encoding="ascii") as lines:
        next(lines)
        for line in lines:
            fields = line.split()
            # The kernel lists those that listen first.
            if fields[3] != _LISTENING:
                break
            address, _, number = fields[1].partition(":")
            if int(number, 16) == port and address in addresses:
                found[int(fields[9])] = int(fields[7])
    return found


def _hex(family: socket.AddressFamily, address: str) -> str:
    # The kernel prints words of four bytes as integers of the machine's byte order.
    packed = socket.inet_pton(family, address)
    return "".join(f"{word:08X}" for word in struct.unpack(f"={len(packed) // 4}I", packed))
