"""The filter of system calls: what widens the reach of a program, or of the kernel's bugs, is refused.

A list of what is denied, for programs of any kind must run: numpy, git, node, threads, children. Calls
newer than the list, and `clone3`, whose flags no filter can read, do not exist: callers then use older ones.
The program is classic BPF. Every argument is compared by its low half, since the kernel reads just that
of each argument compared here.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from . import linux
from .request import Broken
from .syscalls import ARCHITECTURES, LAST, Architecture

_LOAD, _IF_EQUAL, _IF_GREATER, _IF_SET, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_KILL, _ERRNO, _ALLOW = 0x8000_0000, 0x0005_0000, 0x7FFF_0000
_X32 = 0x4000_0000
# NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
_NEW_NAMESPACES = 0x0002_0000 | 0x7E00_0000
# Linux, with 32-bit memory, with an old release number, both; and the question.
_PERSONALITIES = (0, 8, 0x2_0000, 0x2_0008, 0xFFFF_FFFF)
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_NETLINK_ROUTE = 0
_ACTIONS = "/proc/sys/kernel/seccomp/actions_avail"
_REMEDY = "Use a 64-bit Linux on x86_64 or aarch64 whose kernel has CONFIG_SECCOMP_FILTER."

_Code = list[tuple[int, int, int, int]]


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def program() -> bytes:
    """The filter for this machine, as an array of `struct sock_filter`.

    Raises:
        Broken: There is none for this architecture, or the kernel cannot take it.
    """
    machine, bits = os.uname().machine, struct.calcsize("P") * 8
    architecture = ARCHITECTURES.get(machine)
    if architecture is None or bits != 64:
        raise Broken(f"there is no filter of system calls for {machine} with {bits} bits", _REMEDY)
    try:
        with open(_ACTIONS) as file:
            known = set(file.read().split())
    except OSError:
        known = set()
    if not known >= {"kill_process", "errno"}:
        raise Broken("this kernel cannot filter system calls", _REMEDY)
    return assemble(architecture)


def assemble(architecture: Architecture) -> bytes:
    """The filter for one architecture."""
    code: _Code = [(_LOAD, 0, 0, _ARCHITECTURE), (_IF_EQUAL, 1, 0, architecture.audit), _give(_KILL)]
    code += [(_LOAD, 0, 0, _NUMBER), (_IF_EQUAL, 0, 1, 0xFFFF_FFFF), _refuse(errno.ENOSYS)]
    if "iopl" in architecture.numbers:
        code += [(_IF_SET, 0, 1, _X32), _give(_KILL)]
    code += [(_IF_GREATER, 0, 1, LAST), _refuse(errno.ENOSYS)]
    for name, number in sorted(architecture.numbers.items(), key=lambda item: item[1]):
        body = _BODIES.get(name, _REFUSED)
        code += [(_IF_EQUAL, 0, len(body), number), *body]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in [*code, _give(_ALLOW)])


def install(filter_program: bytes) -> None:
    """Put the calling process, which must have a single thread, and all that it starts under the filter."""
    length = len(filter_program) // struct.calcsize("=HBBI")
    filled = _Filter(length, filter_program)
    # The kernel reads it by its address: it has to live until the call is over.
    linux.filter_calls(ctypes.addressof(filled))
    del filled


def _give(action: int) -> tuple[int, int, int, int]:
    return (_RETURN, 0, 0, action)


def _refuse(number: int) -> tuple[int, int, int, int]:
    return _give(_ERRNO | number)


def _load(argument: int) -> tuple[int, int, int, int]:
    return (_LOAD, 0, 0, _ARGUMENTS + 8 * argument)


def _only(argument: int, values: tuple[int, ...]) -> _Code:
    allowed = [step for value in values for step in ((_IF_EQUAL, 0, 1, value), _give(_ALLOW))]
    return [_load(argument), *allowed, *_REFUSED]


def _never(argument: int, values: tuple[int, ...]) -> _Code:
    refused = [step for value in values for step in ((_IF_EQUAL, 0, 1, value), *_REFUSED)]
    return [_load(argument), *refused, _give(_ALLOW)]


_REFUSED: _Code = [_refuse(errno.EPERM)]
# Names of interfaces and addresses come by NETLINK_ROUTE; libc asks there before it resolves a name.
_ROUTE: _Code = [(_IF_EQUAL, 1, 0, _AF_NETLINK), *_REFUSED, *_only(2, (_NETLINK_ROUTE,))]
_BODIES: dict[str, _Code] = {
    "clone": [_load(0), (_IF_SET, 0, 1, _NEW_NAMESPACES), *_REFUSED, _give(_ALLOW)],
    "clone3": [_refuse(errno.ENOSYS)],
    "ioctl": _never(1, (_TIOCSTI, _TIOCLINUX)),
    "personality": _only(0, _PERSONALITIES),
    "socket": [*_only(0, (_AF_UNIX, _AF_INET, _AF_INET6))[:-1], *_ROUTE],
    "socketpair": _only(0, (_AF_UNIX,)),
}
