"""What comes out of a container, from the engine's stream to logs, outputs and the report."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from lab_plugin.sandbox._contract import Job
from lab_plugin.sandbox._docker._destination import Log, Malformed, Outputs
from lab_plugin.sandbox._docker.inside import frames

_STREAM_HEADER = 8
_STDOUT, _STDERR = 1, 2
_SAID_BYTES = 4096


class Report(NamedTuple):
    """How the program ended, as the first process saw it.

    Attributes:
        fault: Why it could not be executed; empty otherwise.
        exit_code: None when a signal ended it.
        signal: None when it exited.
        wall_ns: From its start to the proven end of everything.
        cpu_ns: Of the whole tree; None where it is not counted.
        peak_bytes: Likewise.
        kills: Processes killed for lack of memory; None where they are not counted.
        timed_out: It was ended at its wall limit.
        full: Its storage is full.
        dropped: Bytes of stdout and stderr beyond the limit.
    """

    fault: str
    exit_code: int | None
    signal: int | None
    wall_ns: int
    cpu_ns: int | None
    peak_bytes: int | None
    kills: int | None
    timed_out: bool
    full: bool
    dropped: tuple[int, int]


class Receiver:
    """One container's stream.

    Args:
        job: Its job.

    Attributes:
        started: The program was let go.
        report: How it ended; None until then.
        ended: All is said.
        broken: What broke inside, in its words.
        outputs: Declared outputs.
    """

    def __init__(self, job: Job) -> None:
        self.started = False
        self.ended = False
        self.broken = ""
        self.report: Report | None = None
        self.outputs = Outputs(job)
        self._said = b""
        self._logs = (
            Log(job.destination / "stdout.log", job.limits.log_bytes),
            Log(job.destination / "stderr.log", job.limits.log_bytes),
        )
        self._stream = bytearray()
        self._frames = bytearray()
        self._on: dict[bytes, Callable[[bytes], None]] = {
            frames.HELLO: self._hello,
            frames.BROKEN: self._broke,
            frames.OUT: self._logs[0].add,
            frames.ERROR: self._logs[1].add,
            frames.REPORT: self._reported,
            frames.REFUSED: self._refused,
            frames.FILE: self._file,
            frames.DATA: self.outputs.add,
            frames.END: self._end,
        }

    @property
    def said(self) -> str:
        """The beginning of what the first process wrote to its stderr, where only its death is told."""
        return self._said.decode("utf-8", "replace").strip()

    def feed(self, data: bytes) -> None:
        """Take in what the engine sent.

        Raises:
            Malformed: The first process never says this.
        """
        self._stream += data
        while len(self._stream) >= _STREAM_HEADER:
            length = int.from_bytes(self._stream[4:8], "big")
            if len(self._stream) < _STREAM_HEADER + length:
                return
            payload = bytes(self._stream[_STREAM_HEADER : _STREAM_HEADER + length])
            number = self._stream[0]
            del self._stream[: _STREAM_HEADER + length]
            if number == _STDOUT:
                self._take(payload)
            elif number == _STDERR:
                self._said += payload[: _SAID_BYTES - len(self._said)]

    def forget(self) -> None:
        """Start anew with another container, where none has started the program."""
        self.broken = ""
        self._said = b""
        self._stream.clear()
        self._frames.clear()

    def close(self) -> None:
        """Close the logs; outputs that did not come are lost."""
        dropped = self.report.dropped if self.report else (0, 0)
        for log, count in zip(self._logs, dropped, strict=True):
            log.finish(count)
        self.outputs.lose()

    def _take(self, payload: bytes) -> None:
        self._frames += payload
        while len(self._frames) >= frames.HEADER:
            kind, length = frames.header(bytes(self._frames[: frames.HEADER]))
            if length > frames.LARGEST or kind not in self._on or self.ended:
                raise Malformed("no frame")
            if len(self._frames) < frames.HEADER + length:
                return
            body = bytes(self._frames[frames.HEADER : frames.HEADER + length])
            del self._frames[: frames.HEADER + length]
            # Logs come before the report, outputs after it.
            if (kind in _BEFORE) == (self.report is not None) and kind != frames.BROKEN:
                raise Malformed("a frame out of turn")
            self._on[kind](body)

    def _hello(self, _: bytes) -> None:
        self.started = True

    def _broke(self, body: bytes) -> None:
        self.broken = body.decode("utf-8", "replace") or "without a word"

    def _reported(self, body: bytes) -> None:
        fault, *fields = _fields(body, 11)
        numbers = [_number(field) if field else None for field in fields]
        code, signal, wall, cpu, peak, kills, timed_out, full, out, error = numbers
        if (code is None) == (signal is None) or wall is None:
            raise Malformed("a report that contradicts itself")
        self.report = Report(
            fault.decode("utf-8", "replace"),
            code,
            signal,
            wall,
            cpu,
            peak,
            kills,
            bool(timed_out),
            bool(full),
            (out or 0, error or 0),
        )

    def _refused(self, body: bytes) -> None:
        index, reason = _fields(body, 2)
        self.outputs.refuse(_number(index), reason.decode("utf-8", "replace"))

    def _file(self, body: bytes) -> None:
        index, size = _fields(body, 2)
        self.outputs.begin(_number(index), _number(size))

    def _end(self, _: bytes) -> None:
        self.outputs.finish()
        self.ended = True


_BEFORE = (frames.HELLO, frames.OUT, frames.ERROR, frames.REPORT)


def _fields(body: bytes, count: int) -> list[bytes]:
    try:
        fields = frames.unpack(body)
    except ValueError as error:
        raise Malformed(str(error)) from None
    if len(fields) != count:
        raise Malformed(f"{len(fields)} fields instead of {count}")
    return fields


def _number(field: bytes) -> int:
    if not field.isdigit() or len(field) > 19:
        raise Malformed("no number")
    return int(field)
