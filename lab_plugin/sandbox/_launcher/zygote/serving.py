"""Forking one warden per trial."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import sys
import traceback

from ..request import receive_with_fd  # noqa: TID252 - inside, it has another name
from .program import Interpreter, Program, interpreter
from .sound import require_sound
from .warden import Warden

# By then a short program has ended, and a longer one has begun: the fork takes no time from either.
_SPARE_AFTER_MS = 25


def serve(descriptor: int, plain: frozenset[str], wanted: frozenset[str], left: list[str]) -> Program:
    """Serve the control socket; returns in the forks that are to run a program, and nowhere else.

    Args:
        descriptor: The control socket; each message carries the socket of one trial.
        plain: Modules that every interpreter has at its start.
        wanted: Modules that programs shall find.
        left: Files that their import left.
    """
    control = socket.socket(fileno=descriptor)
    control.set_inheritable(False)
    found = interpreter(plain, wanted)
    require_sound(descriptor, left)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    # Pages that are never collected are not copied either.
    gc.collect()
    gc.freeze()
    # Nobody waits for the wardens.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    control.send(json.dumps({"event": "ready"}).encode())
    return _serve(control, found)


def _serve(control: socket.socket, found: Interpreter) -> Program:
    poll = select.poll()
    poll.register(control.fileno(), select.POLLIN)
    spare: socket.socket | None = None
    while True:
        channel = None
        if spare or poll.poll(_SPARE_AFTER_MS):
            message, channel = receive_with_fd(control, 16)
            if not message:
                os._exit(0)
        if not spare:
            forked = _fork_warden(control, found)
            if isinstance(forked, Program):
                return forked
            spare = forked
        if channel is not None:
            # One that was killed while it stood by: the supervisor learns of it by the end of its socket.
            with contextlib.suppress(OSError):
                socket.send_fds(spare, [b"trial"], [channel])
            os.close(channel)
            spare.close()
            spare = None


def _fork_warden(control: socket.socket, found: Interpreter) -> socket.socket | Program:
    """The handover socket of a warden that stands by; or, in the warden's own child, its program."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        pid = os.fork()
    except OSError:
        pid = -1
    if pid:
        theirs.close()
        return ours
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    control.close()
    ours.close()
    warden = Warden(theirs, found)
    try:
        return warden.enter()
    except Exception:  # noqa: BLE001 - the border of the process: the supervisor must learn of it
        warden.fail(traceback.format_exc())
