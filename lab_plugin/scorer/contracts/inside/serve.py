"""Answers the scorer's questions with the functions of a candidate's module.

    python serve.py MODULE[:FUNCTION]

One file, the standard library only, Python 3.9 or later: it runs inside, in the candidate's own process, and
nothing depends on it: what it says is checked outside. Any program that speaks the same frames on the unix
socket `$LAB_CHANNEL` may take its place. A frame is a length (4 bytes, big-endian) and that many bytes of
JSON:
`{"call": NAME, "args": [...], "kwargs": {...}}` comes in, and `{"value": ...}` or
`{"error": KIND, "message": TEXT}` goes out, one for one. To connect is to say that one is ready.
"""

from __future__ import annotations

import importlib
import json
import os
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

_LENGTH = struct.Struct(">I")
_KIND, _MESSAGE = 200, 2_000


def main(wanted: str) -> None:
    """Import the module, connect, and answer until the channel ends."""
    name, _, only = wanted.partition(":")
    sys.path.insert(0, os.getcwd())
    module = importlib.import_module(name)
    if only:
        getattr(module, only)
    with connect(os.environ["LAB_CHANNEL"]) as channel, channel.makefile("rb") as stream:
        try:
            while (question := receive(stream)) is not None:
                channel.sendall(_framed(_answer(module, only, question)))
        except (BrokenPipeError, ConnectionResetError):
            pass
    for output in (sys.stdout, sys.stderr):
        output.flush()
    # Threads and exit functions of the module have nobody to work for any more.
    os._exit(0)


def connect(path: str) -> socket.socket:
    """Connect to a unix socket, however long its path."""
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    folder = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY)
    try:
        channel.connect(f"/proc/self/fd/{folder}/{os.path.basename(path)}")
    finally:
        os.close(folder)
    return channel


def receive(stream: BinaryIO) -> bytes | None:
    """The next frame's bytes; None at the end."""
    header = stream.read(_LENGTH.size)
    if len(header) < _LENGTH.size:
        return None
    return stream.read(_LENGTH.unpack(header)[0])


def plain(value: Any) -> Any:
    """What JSON can say of a value that it does not know: an array as its list, a numpy number as its own."""
    as_list = getattr(value, "tolist", None)
    if as_list is None:
        raise TypeError(f"a {type(value).__name__} cannot be said in JSON")
    return as_list()


def _answer(module: Any, only: str, question: bytes) -> bytes:
    try:
        asked = json.loads(question)
        function = _function(module, only, asked["call"])
        answer = {"value": function(*asked["args"], **asked["kwargs"])}
        return json.dumps(answer, allow_nan=False, default=plain).encode()
    except Exception as error:  # noqa: BLE001 - whatever the candidate raises is its answer
        fault = {"error": type(error).__name__[:_KIND], "message": str(error)[:_MESSAGE]}
        return json.dumps(fault).encode()


def _function(module: Any, only: str, name: str) -> Callable[..., Any]:
    if name.startswith("_") or (only and name != only):
        raise AttributeError(f"{name!r} is not served")
    function: Callable[..., Any] = getattr(module, name)
    return function


def _framed(body: bytes) -> bytes:
    return _LENGTH.pack(len(body)) + body


if __name__ == "__main__":
    main(sys.argv[1])
