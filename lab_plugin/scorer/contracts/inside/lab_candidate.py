"""How a scorer questions a candidate that runs in a sandbox of its own.

    from lab_candidate import CandidateError, call

    guess = call("predict", [1.0, 2.0])

One file, the standard library only, Python 3.9 or later; it lies on the scorer's PYTHONPATH. Questions and
answers are JSON data and nothing else. The first process that asks is the only one that may.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
from typing import Any, BinaryIO

__all__ = ["CandidateError", "CandidateGone", "call"]

_LENGTH = struct.Struct(">I")


class CandidateError(Exception):
    """The candidate's function raised; this is its answer, and the next question may be asked.

    Attributes:
        kind: Name of the exception's type, as the candidate says it.
        message: Its text.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message


class CandidateGone(Exception):
    """There is nobody to ask: the candidate broke a rule or ended, and the trial is over."""


class _Channel:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._channel: socket.socket | None = None
        self._stream: BinaryIO | None = None

    def ask(self, question: bytes) -> bytes:
        with self._lock:
            try:
                if self._channel is None:
                    self._connect()
                assert self._channel is not None
                self._channel.sendall(_LENGTH.pack(len(question)) + question)
                return self._receive()
            except OSError as error:
                raise CandidateGone(f"the candidate cannot be asked: {error.strerror or error}") from None

    def _connect(self) -> None:
        path = os.environ.get("LAB_CANDIDATE", "")
        if not path:
            raise CandidateGone("there is no candidate here: questions can be asked only while one is scored")
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        folder = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY)
        try:
            # A socket's own path may have 107 bytes only.
            channel.connect(f"/proc/self/fd/{folder}/{os.path.basename(path)}")
        finally:
            os.close(folder)
        self._channel = channel
        self._stream = channel.makefile("rb")

    def _receive(self) -> bytes:
        assert self._stream is not None
        header = self._stream.read(_LENGTH.size)
        if len(header) == _LENGTH.size:
            (length,) = _LENGTH.unpack(header)
            body = self._stream.read(length)
            if len(body) == length:
                return body
        raise CandidateGone("the candidate is gone")


_channel = _Channel()


def call(name: str, /, *args: Any, **kwargs: Any) -> Any:
    """Ask the candidate for the value of one of its functions.

    Args:
        name: The function.
        args: Data for it; arrays become lists.
        kwargs: Likewise.

    Returns:
        The value, as JSON data.

    Raises:
        CandidateError: The function raised.
        CandidateGone: There is nobody to ask.
        TypeError: An argument cannot be said in JSON.
        ValueError: Likewise: it holds a number that is not finite.
    """
    question = {"call": name, "args": args, "kwargs": kwargs}
    answer = json.loads(_channel.ask(json.dumps(question, allow_nan=False, default=_plain).encode()))
    if "error" in answer:
        raise CandidateError(answer["error"], answer["message"])
    return answer["value"]


def _plain(value: Any) -> Any:
    as_list = getattr(value, "tolist", None)
    if as_list is None:
        raise TypeError(f"a {type(value).__name__} cannot be said in JSON")
    return as_list()
