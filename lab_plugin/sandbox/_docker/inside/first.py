"""The life of the first process: one program from its start to its proven end, then its outputs."""

from __future__ import annotations

import os
import select
import signal
import time

from . import figures
from .channel import Channel
from .frames import BROKEN, END, ERROR, HELLO, LARGEST, OUT, REPORT, pack
from .outputs import hand_out
from .program import be_dumpable, start
from .setup import OUTPUTS, STORAGE, Setup, Shown, decode

_READ = 1 << 18
_END_SECONDS = 20.0


class Log:
    """One of the program's two streams: sent up to a limit; the rest is read and dropped.

    Args:
        kind: Of its frames.
        limit: Bytes to send.
    """

    def __init__(self, kind: bytes, limit: int) -> None:
        self.kind = kind
        self.read_end, self.write_end = os.pipe()
        os.set_blocking(self.read_end, False)
        self.left = limit
        self.dropped = 0

    def pump(self, channel: Channel) -> bool:
        """Move what is there; False when there is nothing now, or never again."""
        try:
            data = os.read(self.read_end, _READ)
        except BlockingIOError:
            return False
        kept = data[: self.left]
        self.left -= len(kept)
        self.dropped += len(data) - len(kept)
        for at in range(0, len(kept), LARGEST):
            channel.put(self.kind, kept[at : at + LARGEST])
        return bool(data)


class First:
    """The first process.

    Args:
        setup: The job.
        channel: To the lab.
    """

    def __init__(self, setup: Setup, channel: Channel) -> None:
        self._setup = setup
        self._channel = channel
        self._logs = (Log(OUT, setup.log_bytes), Log(ERROR, setup.log_bytes))
        self._main = -1
        self._status = -1
        self._fault = b""
        self._timed_out = False
        os.mkdir(OUTPUTS, 0o700)
        self._outputs = os.open(OUTPUTS, os.O_RDONLY | os.O_DIRECTORY)

    def run(self) -> None:
        """Run the program to its end, and hand out what it left."""
        cpu = figures.cpu_ns() or 0
        woken, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(woken, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        begun = time.monotonic_ns()
        self._main, self._fault = start(self._setup, *(log.write_end for log in self._logs))
        for log in self._logs:
            os.close(log.write_end)
        self._watch(woken, begun + self._setup.wall_ns)
        self._end()
        wall = time.monotonic_ns() - begun
        for log in self._logs:
            while log.pump(self._channel):
                self._channel.drain()
        self._report(wall, cpu)
        hand_out(
            self._outputs,
            self._setup.outputs,
            self._channel,
            self._setup.file_bytes,
            self._setup.total_bytes,
        )
        self._channel.put(END)
        self._channel.drain()
        self._channel.wait_for_hang_up()

    def _watch(self, woken: int, deadline: int) -> None:
        poll = select.poll()
        poll.register(0, select.POLLIN)
        poll.register(woken, select.POLLIN)
        open_logs = {log.read_end: log for log in self._logs}
        while self._reap() and self._status < 0:
            left = deadline - time.monotonic_ns()
            if left <= 0 or self._channel.stopped:
                self._timed_out = left <= 0
                return
            # A lab that does not read holds the program up, not this process's memory.
            for fd in open_logs:
                poll.register(fd, 0 if self._channel.full else select.POLLIN)
            poll.register(1, select.POLLOUT if self._channel.pending else 0)
            for fd, events in poll.poll(min(left / 1e6 + 1, self._channel.patience)):
                if fd == 0:
                    self._channel.listen()
                elif fd == 1:
                    self._channel.push()
                elif fd == woken:
                    os.read(woken, 4096)
                elif events & select.POLLIN:
                    open_logs[fd].pump(self._channel)
                else:
                    # Nobody writes any more; what is left in it is read at the end.
                    poll.unregister(fd)
                    del open_logs[fd]

    def _reap(self) -> bool:
        """Reap what has ended; whether anything else is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self._main:
                self._status = status

    def _end(self) -> None:
        """Kill and reap until nothing but this process is left."""
        until = time.monotonic() + _END_SECONDS
        while True:
            _kill_all()
            if not self._reap():
                return
            if time.monotonic() > until:
                raise TimeoutError("processes of the job cannot be killed")
            time.sleep(0.0005)

    def _report(self, wall: int, cpu_before: int) -> None:
        code = signal_number = None
        if os.WIFSIGNALED(self._status):
            signal_number = os.WTERMSIG(self._status)
        else:
            code = os.WEXITSTATUS(self._status)
        cpu = figures.cpu_ns()
        numbers = (
            code,
            signal_number,
            wall,
            None if cpu is None else cpu - cpu_before,
            figures.peak_bytes(),
            figures.kills(),
            int(self._timed_out),
            int(any(map(_is_full, STORAGE))),
            *(log.dropped for log in self._logs),
        )
        fields = [b"" if number is None else str(number).encode() for number in numbers]
        self._channel.put(REPORT, pack([self._fault[:4096], *fields]))
        self._channel.drain()


def _require_own_files(shown: list[Shown]) -> None:
    """An engine on another machine, or outside of the lab's container, shows its own files by these names.

    A container that was made ahead shows what had them then.
    """
    for path, device, inode in shown:
        status = os.stat(path)
        if (status.st_dev, status.st_ino) != (device, inode):
            raise LookupError("the engine shows other files than the lab sees")


def _kill_all() -> None:
    try:
        os.kill(-1, signal.SIGKILL)
    except ProcessLookupError:
        return


def _is_full(folder: str) -> bool:
    status = os.statvfs(folder)
    return status.f_bavail == 0 or status.f_favail == 0


def main(standby: float) -> None:
    """Do what the lab sends, which it does within `standby` seconds."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    channel = Channel()
    try:
        be_dumpable(False)
        channel.expect(standby)
        setup = decode(channel.receive())
        channel.expect(setup.silence_ns / 1e9)
        _require_own_files(setup.shown)
        first = First(setup, channel)
        # Before the program starts: without it, the lab knows that none did.
        channel.put(HELLO)
        channel.drain()
        first.run()
    except Exception as fault:  # noqa: BLE001 - the border of the process: the lab must learn of it
        channel.put(BROKEN, f"{type(fault).__name__}: {fault}".encode("utf-8", "replace")[:LARGEST])
        channel.drain()
        channel.wait_for_hang_up()
