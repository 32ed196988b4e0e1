"""The few system calls that Python has no name for."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import struct

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
ATTACHED_READ_ONLY = 0x1 | 0x2 | 0x4
ATTACHED_WRITABLE = 0x2 | 0x4
_AT_FDCWD = -100
_AT_EMPTY_PATH = 0x1000
_AT_RECURSIVE = 0x8000
_OPEN_TREE_CLONE = 0x1
_MOVE_MOUNT_F_EMPTY_PATH = 0x4
# Calls that came after Linux 5.0 have the same number everywhere.
_SYS_OPEN_TREE, _SYS_MOVE_MOUNT, _SYS_CLOSE_RANGE, _SYS_MOUNT_SETATTR = 428, 429, 436, 442
_MOST = 0xFFFF_FFFF
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PR_SET_SECCOMP = 22
_PR_CAPBSET_DROP = 24
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_CAPABILITY_VERSION = 0x20080522
_SECCOMP_MODE_FILTER = 2
_KEYCTL_JOIN_SESSION_KEYRING = 1
_SYS_KEYCTL = {"x86_64": 250, "aarch64": 219, "riscv64": 219, "ppc64le": 271, "s390x": 280}

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
_libc.prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong)


def _checked(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Leave the namespaces named by `flags`."""
    _checked(_libc.unshare(flags), "unshare")


def enter(namespace: int) -> None:
    """Enter the namespace that a descriptor stands for."""
    _checked(_libc.setns(namespace, 0), "setns")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount `source` on `target`."""
    result = _libc.mount(
        os.fsencode(source), os.fsencode(target), kind.encode() or None, flags, options.encode() or None
    )
    _checked(result, f"mount {target}")


def detach_copy(path: str) -> int:
    """A copy of what is mounted at and below `path`, attached nowhere; the caller closes it. Linux 5.2."""
    result = _libc.syscall(
        ctypes.c_long(_SYS_OPEN_TREE),
        ctypes.c_int(_AT_FDCWD),
        os.fsencode(path),
        ctypes.c_uint(_OPEN_TREE_CLONE | os.O_CLOEXEC | _AT_RECURSIVE),
    )
    _checked(result, f"open_tree {path}")
    return int(result)


def attach(tree: int, target: str) -> None:
    """Mount a detached tree on `target`."""
    result = _libc.syscall(
        ctypes.c_long(_SYS_MOVE_MOUNT),
        ctypes.c_int(tree),
        b"",
        ctypes.c_int(_AT_FDCWD),
        os.fsencode(target),
        ctypes.c_uint(_MOVE_MOUNT_F_EMPTY_PATH),
    )
    _checked(result, f"move_mount {target}")


def set_attributes(mounted: str | int, attributes: int, *, recursive: bool) -> None:
    """Add `ATTACHED_...` to a mount, or to the top of a detached tree. Since Linux 5.12."""
    wanted = struct.pack("=QQQQ", attributes, 0, 0, 0)
    flags = (_AT_RECURSIVE if recursive else 0) | (_AT_EMPTY_PATH if isinstance(mounted, int) else 0)
    result = _libc.syscall(
        ctypes.c_long(_SYS_MOUNT_SETATTR),
        ctypes.c_int(mounted if isinstance(mounted, int) else _AT_FDCWD),
        b"" if isinstance(mounted, int) else os.fsencode(mounted),
        ctypes.c_uint(flags),
        wanted,
        ctypes.c_size_t(len(wanted)),
    )
    _checked(result, f"mount_setattr {mounted}")


def drop_capabilities() -> None:
    """Give up every capability, for this process and all that it starts."""
    number = 0
    while _libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0) == 0:
        number += 1
    # Kernels before 4.3 have no ambient ones.
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    _checked(_libc.capset(header, struct.pack("=6I", *[0] * 6)), "capset")


def set_dumpable(value: bool) -> None:
    """Whether processes of the same user may look into this one."""
    _checked(_libc.prctl(_PR_SET_DUMPABLE, int(value), 0, 0, 0), "prctl")


def die_with_maker(signal_number: int) -> None:
    """As `die_with_parent`, where the parent is not seen; the caller looks afterwards whether it is there."""
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "prctl")


def name_process(name: str) -> None:
    """Show `name`, cut to 15 bytes, in lists of processes."""
    text = ctypes.create_string_buffer(os.fsencode(name)[:15])
    _checked(_libc.prctl(_PR_SET_NAME, ctypes.addressof(text), 0, 0, 0), "prctl")


def become_subreaper() -> None:
    """Become the parent of every orphan below this process."""
    _checked(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")


def die_with_parent(signal_number: int, parent: int) -> None:
    """Have the kernel send `signal_number` when the parent, process `parent`, ends."""
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "prctl")
    if os.getppid() != parent:
        os._exit(127)


def filter_calls(program: int) -> None:
    """Put the calling process under the `struct sock_fprog` at an address; it gains no privilege any more."""
    _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")
    _checked(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, program, 0, 0), "prctl")


def leave_session_keyring() -> None:
    """Take an empty session keyring: the inherited one may hold the user's secrets."""
    number = _SYS_KEYCTL.get(os.uname().machine)
    if number is not None:
        _libc.syscall(ctypes.c_long(number), ctypes.c_long(_KEYCTL_JOIN_SESSION_KEYRING), None)


def close_all_but(keep: set[int]) -> None:
    """Close every descriptor but those in `keep`."""
    first = 0
    for fd in (*sorted(keep), _MOST + 1):
        if fd > first and _libc.syscall(
            ctypes.c_long(_SYS_CLOSE_RANGE), ctypes.c_uint(first), ctypes.c_uint(fd - 1), ctypes.c_uint(0)
        ):
            # Before Linux 5.9, or under a filter that does not know it.
            _close_each_but(keep)
            return
        first = fd + 1


def _close_each_but(keep: set[int]) -> None:
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in keep:
            with contextlib.suppress(OSError):
                os.close(int(name))


def limit(kind: int, value: int) -> None:
    """Lower soft and hard limit `kind` to at most `value`."""
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))
