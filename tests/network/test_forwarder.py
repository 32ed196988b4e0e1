import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab_plugin.network import FORWARDER

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start the forwarder in front of a command, in a session of its own."""
    running: list[subprocess.Popen[str]] = []

    def begin(*command: str, path: Path | None = None, **settings: Any) -> "subprocess.Popen[str]":
        program = [
            sys.executable,
            "-I",
            "-S",
            str(FORWARDER),
            str(path or tmp_path / "none.sock"),
            "--",
            *command,
        ]
        process = subprocess.Popen(
            program,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **settings,
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


def python(code: str) -> tuple[str, ...]:
    return sys.executable, "-c", code


class Echo:
    """A unix socket that sends back what it gets, and the end after the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen(2)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connected, _ = self._socket.accept()
                threading.Thread(target=self._answer, args=(connected,), daemon=True).start()

    def _answer(self, connected: socket.socket) -> None:
        with connected, contextlib.suppress(OSError):
            while data := connected.recv(65536):
                connected.sendall(data)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[Echo]:
    echo = Echo(tmp_path / "echo.sock")
    yield echo
    echo.close()


CONNECT = """
import os, socket, sys, threading
host, port = os.environ["HTTP_PROXY"].removeprefix("http://").split(":")
def connect():
    return socket.create_connection((host, int(port)), 60)
def read(s):
    data = b""
    while piece := s.recv(65536):
        data += piece
    return data
"""


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_the_exit_status_is_the_commands(start: Start, code: int) -> None:
    assert start(*python(f"raise SystemExit({code})")).wait(60) == code


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGPIPE])
def test_an_end_by_signal_is_128_and_its_number(start: Start, number: int) -> None:
    process = start("sh", "-c", f"kill -{int(number)} $$")
    assert process.wait(60) == 128 + number


def test_commands_that_cannot_be_run_are_told(start: Start, tmp_path: Path) -> None:
    missing = start("no-such-program")
    assert missing.wait(60) == 127
    assert "no-such-program" in missing.communicate()[1]
    (tmp_path / "plain").write_text("text")
    assert start(str(tmp_path / "plain")).wait(60) == 126
    alone = subprocess.run([sys.executable, "-I", "-S", FORWARDER, "socket"], capture_output=True, text=True)
    assert alone.returncode == 125
    assert "usage" in alone.stderr


def test_the_environment_is_the_same_with_proxies_set(start: Start) -> None:
    environment = {"PATH": os.environ["PATH"], "A": "ü=1", "HTTP_PROXY": "http://evil", "no_proxy": "*"}
    process = start("env", env=environment)
    found = dict(line.split("=", 1) for line in process.communicate()[0].splitlines())
    address = found["HTTP_PROXY"]
    assert address.startswith("http://127.0.0.1:")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        assert found.pop(name) == found.pop(name.lower()) == address
    assert found.pop("NO_PROXY") == found.pop("no_proxy") == ""
    assert found == {"PATH": environment["PATH"], "A": "ü=1"}


def test_the_command_starts_with_ordinary_signals_and_descriptors(start: Start) -> None:
    show = ["grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"]
    # Some hosts start everything with a signal of the C library ignored, and that is inherited.
    plain = subprocess.run(show, capture_output=True, text=True, check=True).stdout
    assert start(*show).communicate()[0] == plain
    assert not int(plain.split()[-1], 16) & (1 << signal.SIGPIPE - 1)
    # The last one is the folder that ls reads.
    assert start("ls", "/proc/self/fd").communicate()[0].split() == ["0", "1", "2", "3"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_are_passed_on(start: Start, number: int) -> None:
    code = (
        "import signal, sys, time\n"
        f"signal.signal({number}, lambda *_: sys.exit(7))\n"
        "print('ready', flush=True)\n"
        # Not pause(): a signal that comes just before it would be forgotten.
        "while True: time.sleep(1)"
    )
    process = start(*python(code))
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.wait(60) == 7


def test_a_signal_to_the_group_arrives_once(start: Start) -> None:
    code = (
        "import os, signal, time\n"
        "seen = []\n"
        "signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print(len(seen), flush=True), os._exit(0)))\n"
        "print('ready', flush=True)\n"
        "while True: time.sleep(1)"
    )
    process = start(*python(code), start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGUSR1)
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGTERM)
    assert process.stdout.readline() == "1\n"


def alive(marker: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if marker.encode() in path.read_bytes():
                return True
    return False


def gone(marker: str) -> bool:
    deadline = time.monotonic() + 30
    while alive(marker) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(marker)


DAEMONS = """
import os, signal, sys, time
for _ in range(8):
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if os.fork() == 0:
            time.sleep(600)
        time.sleep(600)
print("ready", flush=True)
"""


def test_no_process_is_left_behind(start: Start) -> None:
    marker = uuid.uuid4().hex
    process = start(*python(DAEMONS), marker)
    assert process.wait(60) == 0
    assert not alive(marker)


def test_orphans_are_reaped_while_it_runs(start: Start) -> None:
    code = """
import os, time
def others():
    with open(f"/proc/{os.getppid()}/task/{os.getppid()}/children") as file:
        return set(file.read().split()) - {str(os.getpid())}
for _ in range(50):
    if os.fork() == 0:
        if os.fork() == 0:
            time.sleep(0.05)
        os._exit(0)
    os.wait()
deadline = time.monotonic() + 30
while others() and time.monotonic() < deadline:
    time.sleep(0.02)
print(others())
"""
    process = start(*python(code))
    assert process.communicate() == ("set()\n", "")


def test_the_command_dies_with_the_forwarder(start: Start) -> None:
    marker = uuid.uuid4().hex
    process = start(*python("import time; print('ready', flush=True); time.sleep(600)"), marker)
    assert process.stdout is not None
    process.stdout.readline()
    assert alive(marker)
    process.kill()
    process.wait(60)
    assert gone(marker)


def test_bytes_are_carried_both_ways(start: Start, echo: Echo) -> None:
    code = CONNECT + (
        "s = connect(); body = os.urandom(1 << 20) * 5\n"
        "def send():\n    s.sendall(body)\n    s.shutdown(socket.SHUT_WR)\n"
        "t = threading.Thread(target=send); t.start()\n"
        "assert read(s) == body\n"
        "print('same')"
    )
    process = start(*python(code), path=echo.path)
    assert process.communicate() == ("same\n", "")


def test_many_connections_at_once_are_carried(start: Start, echo: Echo) -> None:
    # More than it carries at once: the rest waits, and comes when others have ended.
    code = CONNECT + (
        "import resource\n"
        "many = [connect() for _ in range(300)]\n"
        "def talk(number, s):\n"
        "    s.sendall(b'%d' % number); s.shutdown(socket.SHUT_WR)\n"
        "    ok.append(read(s) == b'%d' % number); s.close()\n"
        "ok = []\n"
        "for each in enumerate(many): talk(*each)\n"
        "print(len(ok), all(ok))"
    )
    process = start(*python(code), path=echo.path)
    assert process.communicate() == ("300 True\n", "")


def test_connections_that_break_harm_nobody(start: Start, echo: Echo) -> None:
    code = CONNECT + (
        "import struct\n"
        "for number in range(200):\n"
        "    s = connect(); s.sendall(b'x' * 300000 if number % 2 else b'x')\n"
        "    if number % 3: s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))\n"
        "    s.close()\n"
        "s = connect(); s.sendall(b'still'); s.shutdown(socket.SHUT_WR); print(read(s))"
    )
    process = start(*python(code), path=echo.path)
    assert process.communicate() == ("b'still'\n", "")


def test_without_a_socket_connections_are_closed(start: Start) -> None:
    process = start(*python(CONNECT + "s = connect(); print(read(s))"))
    assert process.communicate() == ("b''\n", "")


def test_an_answer_given_before_all_was_sent_is_heard(start: Start, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "hasty.sock"))
        server.listen()

        def answer() -> None:
            connected, _ = server.accept()
            with connected:
                connected.recv(10)
                connected.sendall(b"no, thanks")

        thread = threading.Thread(target=answer)
        thread.start()
        code = CONNECT + (
            "s = connect()\n"
            "try:\n    s.sendall(b'x' * (8 << 20))\nexcept OSError:\n    pass\n"
            "try:\n    print(read(s))\nexcept OSError as e:\n    print(e)"
        )
        process = start(*python(code), path=tmp_path / "hasty.sock")
        assert process.communicate() == ("b'no, thanks'\n", "")
        thread.join()


def test_it_needs_no_root_and_no_site_packages(start: Start) -> None:
    settings: dict[str, Any] = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
    program = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    if program is None:
        pytest.skip("there is no python3 that every user can run")
    # The checkout may lie where this user cannot look.
    command = [program, "-I", "-S", "-", "/none", "--", "id", "-u"]
    text = FORWARDER.read_text()
    done = subprocess.run(command, input=text, capture_output=True, text=True, cwd="/", **settings)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == str(settings.get("user", os.getuid()))
