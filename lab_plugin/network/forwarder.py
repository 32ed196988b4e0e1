"""Gives a program inside a sandbox a proxy on 127.0.0.1, carried to a unix socket.

    python -I -S forwarder.py SOCKET -- command...

For each variable `LAB_SERVICE_NAME=127.0.0.1:PORT` it listens on that port too, and asks the proxy for the
host `name.service.lab`.

One file, the standard library only, one thread: it runs inside, before and beside the command, under
whatever Python is there. Nothing depends on it: what it carries is checked outside.

Its exit status is the command's, 128 + n for signal n, 127 when the command is not found, 126 when it
cannot be executed, 125 when the forwarder itself cannot start. Signals are passed on. No process of the
command outlives it, and the command does not outlive the forwarder.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import selectors
import signal
import socket
import struct
import sys
import time

_FAILED, _NOT_EXECUTABLE, _NOT_FOUND = 125, 126, 127
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_PASSED = (
    signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2,
    signal.SIGALRM, signal.SIGWINCH, signal.SIGCONT,
)  # fmt: skip
_CHUNK = 64 << 10
_MAX_PAIRS = 256
_RETRY_SECONDS = 0.02
_BACKLOG = 128
_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_SERVICE = "LAB_SERVICE_"
_LOOPBACK = "127.0.0.1"
_HEAD_END = b"\r\n\r\n"
_MAX_HEAD = 16 << 10


class _End:
    """One end of a pair: a socket, and what it still has to send.

    Args:
        connected: The socket.
        request: To send first; the head of its answer is then taken away.
    """

    def __init__(self, connected: socket.socket, request: bytes = b"") -> None:
        connected.setblocking(False)
        if connected.family == socket.AF_INET:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connected
        self.pending = request
        self.head: bytes | None = b"" if request else None
        self.has_ended = False
        self.is_shut = False
        self.peer = self

    def interest(self) -> int:
        """What to wait for: it is read only while its peer has nothing left to send."""
        reads = not self.has_ended and not self.peer.pending
        return (selectors.EVENT_READ if reads else 0) | (selectors.EVENT_WRITE if self.pending else 0)

    def behind_head(self, data: bytes) -> bytes:
        """What was received, without the answer's head; raises `OSError` where that is no consent."""
        if self.head is None:
            return data
        self.head += data
        head, end, rest = self.head.partition(_HEAD_END)
        if not end and len(head) < _MAX_HEAD:
            return b""
        if head.split(b" ")[1:2] != [b"200"]:
            raise ConnectionRefusedError
        self.head = None
        return rest


class Forwarder:
    """Accepts on 127.0.0.1 and carries bytes to and from the unix socket.

    Args:
        path: The socket.
        services: Port to listen on besides its own -> what to ask the proxy for there.
    """

    def __init__(self, path: str, services: dict[int, bytes]) -> None:
        self._path = path
        self._selector = selectors.DefaultSelector()
        self._pairs = 0
        self._waiting: tuple[socket.socket, bytes] | None = None
        self._listens = False
        # The services first: the port that the kernel chooses could be one of theirs.
        self._listeners = {_listen(port): request for port, request in services.items()}
        own = _listen(0)
        self._listeners[own] = b""
        self.port: int = own.getsockname()[1]

    def wake_on(self, descriptor: int) -> None:
        """Return from `turn` when this descriptor is readable; it is emptied."""
        self._selector.register(descriptor, selectors.EVENT_READ)

    def turn(self) -> None:
        """Wait for something, and carry what there is."""
        self._watch_listener()
        for key, events in self._selector.select(_RETRY_SECONDS if self._waiting else None):
            if isinstance(key.data, _End):
                self._serve(key.data, events)
            elif isinstance(key.fileobj, socket.socket):
                self._accept(key.fileobj)
            else:
                os.read(key.fd, 4096)
        if self._waiting is not None:
            self._connect(*self._waiting)

    def _watch_listener(self) -> None:
        wanted = self._pairs < _MAX_PAIRS and self._waiting is None
        if wanted != self._listens:
            for listener in self._listeners:
                if wanted:
                    self._selector.register(listener, selectors.EVENT_READ)
                else:
                    self._selector.unregister(listener)
        self._listens = wanted

    def _accept(self, listener: socket.socket) -> None:
        if self._waiting is not None:
            return
        try:
            client, _ = listener.accept()
        except OSError:
            time.sleep(_RETRY_SECONDS)
        else:
            self._waiting = client, self._listeners[listener]

    def _connect(self, client: socket.socket, request: bytes) -> None:
        try:
            outside = _reach(self._path)
        except BlockingIOError:
            # The proxy takes no more for now: this client waits.
            return
        except OSError:
            client.close()
        else:
            self._pair(_End(client), _End(outside, request))
        self._waiting = None

    def _pair(self, one: _End, other: _End) -> None:
        one.peer, other.peer = other, one
        self._pairs += 1
        for end in (one, other):
            self._watch(end)

    def _serve(self, end: _End, events: int) -> None:
        if end.socket.fileno() < 0:
            return
        try:
            if events & selectors.EVENT_WRITE:
                self._flush(end)
            if events & selectors.EVENT_READ and not end.has_ended and not end.peer.pending:
                self._receive(end)
        except BlockingIOError:
            pass
        except OSError:
            self._drop(end)
            return
        if end.is_shut and end.peer.is_shut:
            self._drop(end)
        else:
            self._watch(end)
            self._watch(end.peer)

    def _receive(self, end: _End) -> None:
        data = end.socket.recv(_CHUNK)
        end.has_ended = not data
        end.peer.pending = end.behind_head(data) if data else b""
        self._flush(end.peer)

    def _flush(self, end: _End) -> None:
        if end.pending:
            try:
                sent = end.socket.send(end.pending)
            except BlockingIOError:
                return
            except (BrokenPipeError, ConnectionResetError):
                # It takes no more, but may have said something that its peer has to hear.
                end.pending, end.is_shut, end.peer.has_ended = b"", True, True
                return
            end.pending = end.pending[sent:]
        if end.peer.has_ended and not end.pending and not end.is_shut:
            end.is_shut = True
            end.socket.shutdown(socket.SHUT_WR)

    def _watch(self, end: _End) -> None:
        interest = end.interest()
        watched = end.socket in self._selector.get_map()
        if interest and watched:
            self._selector.modify(end.socket, interest, end)
        elif interest:
            self._selector.register(end.socket, interest, end)
        elif watched:
            self._selector.unregister(end.socket)

    def _drop(self, end: _End) -> None:
        for one in (end, end.peer):
            if one.socket in self._selector.get_map():
                self._selector.unregister(one.socket)
            one.socket.close()
        self._pairs -= 1


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind((_LOOPBACK, port))
    listener.listen(_BACKLOG)
    listener.setblocking(False)
    return listener


def _reach(path: str) -> socket.socket:
    outside = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        outside.setblocking(False)
        outside.connect(path)
    except OSError:
        outside.close()
        raise
    return outside


class Command:
    """The program, and everything that it starts."""

    def __init__(self) -> None:
        self._pid = 0
        self.status: int | None = None

    def start(self, command: list[str], environment: dict[str, str]) -> None:
        """Start it; this process becomes the parent of all that it leaves behind."""
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
        for number in _PASSED:
            signal.signal(number, self._pass)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        held = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            _become(command, environment, held, parent)
        self._pid = pid
        signal.pthread_sigmask(signal.SIG_SETMASK, held)

    def reap(self) -> None:
        """Take note of all that ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._pid:
                self.status = status

    def end_rest(self) -> None:
        """Kill what is left, until nothing is."""
        # Our children's ids stay theirs until we reap them; what they leave becomes ours.
        while children := _children():
            for pid in children:
                os.kill(pid, signal.SIGKILL)
            for pid in children:
                os.waitpid(pid, 0)

    def _pass(self, number: int, frame: object) -> None:
        # Between its end and its reaping it is a zombie, to whom a signal does nothing.
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, number)


def _become(
    command: list[str], environment: dict[str, str], mask: set[int | signal.Signals], parent: int
) -> None:
    """In the new process: turn into the command, whatever happens."""
    status = _FAILED
    try:
        os.setpgid(0, 0)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(_FAILED)
        # Python ignores these two; the handlers of others end with the exec.
        for number in (*_PASSED, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.execvpe(command[0], command, environment)  # noqa: S606 - no shell is the point
    except OSError as error:
        missing = error.errno in (errno.ENOENT, errno.ENOTDIR)
        status = _NOT_FOUND if missing else _NOT_EXECUTABLE
        os.write(2, f"forwarder: {command[0]}: {error.strerror}\n".encode("utf-8", "surrogateescape"))
    finally:
        os._exit(status)


def _children() -> list[int]:
    own = os.getpid()
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    parent = int(file.read().rpartition(b")")[2].split()[1])
            except (OSError, IndexError):
                continue
            if parent == own:
                found.append(int(name))
    return found


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH14x", b"lo", 0)
        (flags,) = struct.unpack_from("H", fcntl.ioctl(control, _SIOCGIFFLAGS, request), 16)
        if not flags & _IFF_UP:
            fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _IFF_UP))


def _services() -> dict[int, bytes]:
    found = {}
    for variable, value in os.environ.items():
        host, _, port = value.partition(":")
        if variable.startswith(_SERVICE) and host == _LOOPBACK and port.isdecimal():
            target = f"{variable[len(_SERVICE) :].lower()}.service.lab:{port}"
            found[int(port)] = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode()
    return found


def _environment(port: int, services: bool) -> dict[str, str]:
    address = f"http://{_LOOPBACK}:{port}"
    environment = dict(os.environ)
    with open("/proc/self/environ", "rb") as file:
        given = file.read().split(b"\0")
    # Python sets it for itself where the locale is C.
    if not any(entry.startswith(b"LC_CTYPE=") for entry in given):
        environment.pop("LC_CTYPE", None)
    for name in _PROXY_VARIABLES:
        environment[name] = environment[name.lower()] = address
    # What is here in the sandbox is no business of the proxy, which refuses every address.
    environment["NO_PROXY"] = environment["no_proxy"] = f"{_LOOPBACK},localhost" if services else ""
    return environment


def main(arguments: list[str]) -> int:
    """Run a command with a proxy beside it; returns its exit status."""
    if len(arguments) < 3 or arguments[1] != "--":
        os.write(2, b"usage: forwarder.py SOCKET -- command...\n")
        return _FAILED
    command = Command()
    try:
        _raise_loopback()
        services = _services()
        forwarder = Forwarder(arguments[0], services)
        wake, alarm = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(alarm, warn_on_full_buffer=False)
        forwarder.wake_on(wake)
        command.start(arguments[2:], _environment(forwarder.port, bool(services)))
    except OSError as error:
        os.write(2, f"forwarder: {error}\n".encode())
        return _FAILED
    try:
        while command.status is None:
            forwarder.turn()
            command.reap()
    finally:
        command.end_rest()
    code = os.waitstatus_to_exitcode(command.status)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
