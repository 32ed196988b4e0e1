"""What attacks would reach, change or leave on the host, and who notices."""

from __future__ import annotations

import os
import random
import shutil
import socket
import tempfile
import threading
import uuid
from pathlib import Path
from types import TracebackType

TOKEN = "VICTIM_API_TOKEN"


class Witness:
    """A host with a secret in its environment, a secret file, a file of worth, and listening sockets.

    Attributes:
        prefix: Begins the marks of all attacks.
    """

    def __init__(self) -> None:
        self.prefix = f"mark{uuid.uuid4().hex}"
        self._folder = Path(tempfile.mkdtemp(prefix="witness-"))
        self._folder.chmod(0o755)
        self._secret = f"CANARY-{uuid.uuid4().hex}"
        self._target = self._folder / "worth.txt"
        self._key = random.SystemRandom().randrange(1 << 20, 1 << 30)
        self._reached: list[str] = []
        self._listeners: list[socket.socket] = []
        self._stopped = threading.Event()

    def __enter__(self) -> Witness:
        os.environ[TOKEN] = self._secret
        (self._folder / "secret.txt").write_text(self._secret)
        self._target.write_text("kept")
        port = self._listen(socket.AF_INET, ("127.0.0.1", 0), "a port of the host").getsockname()[1]
        self._listen(socket.AF_UNIX, f"{self._folder}/socket", "a unix socket of the host")
        os.chmod(self._folder / "socket", 0o666)
        self._listen(socket.AF_UNIX, f"\0{self.prefix}", "an abstract socket of the host")
        self._words = {
            "@SECRET_FILE@": f"{self._folder}/secret.txt",
            "@ELSEWHERE@": f"{self._folder}/secret.txt",
            "@TARGET@": str(self._target),
            "@PORT@": str(port),
            "@SOCKET@": f"{self._folder}/socket",
            "@ABSTRACT@": self.prefix,
            "@PREFIX@": self.prefix,
            "@KEY@": str(self._key),
        }
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        for listener in self._listeners:
            listener.close()
        os.environ.pop(TOKEN, None)
        shutil.rmtree(self._folder)

    def mark(self, number: int) -> str:
        """In the names of files and in the command lines of processes that one attack leaves."""
        return f"{self.prefix}-{number:04d}-"

    def words(self, number: int) -> dict[str, str]:
        """What the words in an attack's text become."""
        return {**self._words, "@MARK@": self.mark(number)}

    def found(self, number: int) -> list[str]:
        """What an attack reached, changed or left; called when it is over. It is put in order again."""
        mark = self.mark(number)
        found, self._reached[:] = list(self._reached), []
        if self._target.read_text() != "kept":
            found.append("overwrote a file of the host")
            self._target.write_text("kept")
        for folder in ("/tmp", "/dev/shm", "/var/tmp", str(Path.home()), os.getcwd()):
            for path in Path(folder).glob(f"{mark}*"):
                found.append(f"left {path}")
                path.unlink()
        found += [f"left a process: {line}" for line in _processes(mark)]
        return found

    def known(self, text: str) -> list[str]:
        """What of the secrets a text holds."""
        return ["told a secret"] if self._secret in text else []

    def _listen(self, family: int, address: str | tuple[str, int], what: str) -> socket.socket:
        listener = socket.socket(family)
        listener.bind(address)
        listener.listen()
        listener.settimeout(0.2)
        self._listeners.append(listener)
        threading.Thread(target=self._accept, args=(listener, what), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket, what: str) -> None:
        while not self._stopped.is_set():
            try:
                listener.accept()[0].close()
            except TimeoutError:
                continue
            except OSError:
                return
            self._reached.append(f"reached {what}")


def _processes(mark: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if mark in text:
            found.append(text[:200])
    return found
