"""The filters of system calls that a program in a container runs under, besides the engine's own."""

from __future__ import annotations

import errno
import os
import struct

from lab_plugin.errors import SandboxUnavailable
from lab_plugin.sandbox._launcher import seccomp
from lab_plugin.sandbox._launcher.request import Broken

_LOAD, _IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER, _FIRST_ARGUMENT = 0, 16
_ERRNO, _ALLOW = 0x0005_0000, 0x7FFF_0000
_PRLIMIT = {"x86_64": 302, "aarch64": 261}


def filters() -> list[bytes]:
    """Programs of `struct sock_filter`: the one of every sandbox, and one that guards the first process.

    Raises:
        SandboxUnavailable: There is none for this machine.
    """
    try:
        common = seccomp.program()
    except Broken as fault:
        raise SandboxUnavailable(f"docker: {fault.message}", fault.remedy) from None
    return [common, _only_own_limits(_PRLIMIT[os.uname().machine])]


def _only_own_limits(number: int) -> bytes:
    """Refuse `prlimit` for another process: the first process has the same user, and could be starved."""
    code = (
        (_LOAD, 0, 0, _NUMBER),
        (_IF_EQUAL, 0, 3, number),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_IF_EQUAL, 1, 0, 0),
        (_RETURN, 0, 0, _ERRNO | errno.EPERM),
        (_RETURN, 0, 0, _ALLOW),
    )
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)
