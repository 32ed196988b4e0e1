"""An engine for the tests, and an image made of this machine's own Python: nothing is fetched."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn

import docker
import pytest

IMAGE = "prefect-lab-test"
# Read early: the environment of the tests is cleaned before each of them.
_DEMANDED = os.environ.get("LAB_TEST_DOCKER") == "1"
_PROGRAMS = ("/bin/cat", "/bin/sh", "/bin/sleep", "/bin/true")
_LEFT_OUT = {
    *("__pycache__", "test", "tests", "site-packages", "dist-packages", "idlelib", "ensurepip"),
    *("tkinter", "turtledemo", "lib2to3", "pydoc_data"),
}
_SECONDS = 60
_OWNER = "prefect-lab.owner"
AHEAD = "lab-ahead-"
_LOG_LINES = 40


class NoEngine(Exception):
    """There is none, and none can be started here."""


def give_up(missing: NoEngine) -> NoReturn:
    """Skip the test, or fail it where LAB_TEST_DOCKER=1 demands an engine."""
    if _DEMANDED:
        pytest.fail(f"LAB_TEST_DOCKER=1: {missing}")
    pytest.skip(str(missing))


@contextmanager
def engine() -> Iterator[str]:
    """Yields where an engine listens, as DOCKER_HOST says it: the one that answers, or one of the tests' own.

    Raises:
        NoEngine: There is none.
    """
    usual = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if _answers(usual):
        yield usual
        return
    with own_engine() as host:
        yield host


@contextmanager
def own_engine() -> Iterator[str]:
    """Start an engine with folders of its own, and end it wholly.

    Raises:
        NoEngine: It cannot be started here; with the end of its log.
    """
    if os.getuid() != 0:
        raise NoEngine("no Docker engine answers, and only root can start one")
    if missing := [name for name in ("dockerd", "containerd", "runc") if shutil.which(name) is None]:
        raise NoEngine(f"no Docker engine answers, and {', '.join(missing)} cannot be found")
    folder = Path(tempfile.mkdtemp(prefix="lab-engine-"))
    try:
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(_command(folder), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            _await(process, host := f"unix://{folder}/engine.sock", folder / "log")
            yield host
        finally:
            _stop(process, folder)
    finally:
        _clear(folder)


@contextmanager
def only_engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An engine of one test's own, with the image; what the test patched goes before the engine does."""
    with ExitStack() as stack:
        try:
            host = stack.enter_context(own_engine())
        except NoEngine as missing:
            give_up(missing)
        stack.callback(monkeypatch.undo)
        make_image(host)
        monkeypatch.setenv("DOCKER_HOST", host)
        yield host


@contextmanager
def connected(host: str) -> Iterator[docker.APIClient]:
    """A client of an engine."""
    client = docker.APIClient(base_url=host, version="auto", timeout=_SECONDS)
    try:
        yield client
    finally:
        client.close()


def make_image(host: str, name: str = IMAGE, more: tuple[str, ...] = ()) -> str:
    """Import the image; returns its id.

    Args:
        host: The engine.
        name: Of the image.
        more: Paths of further programs that it has.
    """
    data, path = archive(more)
    with connected(host) as client:
        client.import_image_from_data(data, repository=name, changes=[f"ENV PATH={path}"])
        return str(client.inspect_image(name)["Id"])


def containers(host: str, owner: int | None = None) -> list[str]:
    """Names of the containers of labs' jobs; with the process id of a lab, of its own."""
    return [name for name in _names(host, owner) if not name.startswith(AHEAD)]


def waiting(host: str, owner: int) -> list[str]:
    """Names of the containers that the lab of a process made ahead and that no job has taken."""
    return [name for name in _names(host, owner) if name.startswith(AHEAD)]


def _names(host: str, owner: int | None) -> list[str]:
    with connected(host) as client:
        found = client.containers(all=True, filters={"label": _OWNER})
    return [
        entry["Names"][0].lstrip("/")
        for entry in found
        if owner is None or f"/{owner}/" in entry["Labels"][_OWNER]
    ]


def pid_of(host: str) -> int:
    """The process of an engine that was started here."""
    return int(Path(host.removeprefix("unix://")).with_name("pid").read_text())


def _command(folder: Path) -> list[str]:
    return [
        # With the tests, also where those are killed.
        *("setpriv", "--pdeathsig", "TERM", "--"),
        *("dockerd", "--host", f"unix://{folder}/engine.sock", "--pidfile", f"{folder}/pid"),
        *("--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"),
        # No container of the lab has a network, and the machine's packet filter is not the tests' to change.
        *("--bridge", "none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"),
    ]


def _answers(host: str) -> bool:
    try:
        docker.APIClient(base_url=host, version="auto", timeout=_SECONDS).close()
    except docker.errors.DockerException:
        return False
    return True


def _await(process: subprocess.Popen[bytes], host: str, log: Path) -> None:
    until = time.monotonic() + _SECONDS
    while process.poll() is None and time.monotonic() < until:
        if _answers(host):
            return
        time.sleep(0.1)
    said = "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:])
    raise NoEngine(f"dockerd does not start here:\n{said}")


def _stop(process: subprocess.Popen[bytes], folder: Path) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    # Killed, an engine leaves its containerd behind, and that its shims; their arguments or their working
    # folders name this engine's.
    for _ in range(50):
        left = _processes(folder)
        if not left:
            return
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.1)


def _processes(folder: Path) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            text = (entry / "cmdline").read_bytes() + b"\0" + os.fsencode(os.readlink(entry / "cwd"))
        except OSError:
            continue
        if os.fsencode(folder) in text and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


def _clear(folder: Path) -> None:
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for point in sorted(mounts, reverse=True):
        if Path(point).is_relative_to(folder):
            subprocess.run(["umount", "--lazy", point], check=False)
    shutil.rmtree(folder)


def archive(more: tuple[str, ...] = ()) -> tuple[bytes, str]:
    """A root file system with this machine's Python, a shell and further programs, and the PATH for it."""
    base, stdlib = Path(sys.base_prefix), Path(sysconfig.get_path("stdlib"))
    python = Path(os.path.realpath(sys.executable))
    programs = [python, *map(Path, (*_PROGRAMS, *more))]
    files = {*programs, *_libraries([*programs, *(stdlib / "lib-dynload").glob("*.so")])}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        folders: set[Path] = set()
        for file in sorted(files):
            _add_folders(tar, file.parent, folders)
            tar.add(os.path.realpath(file), str(file), filter=_plain)
        _add_folders(tar, base / "bin", folders)
        for name in {"python", "python3"} - {python.name}:
            link = tarfile.TarInfo(str(base / "bin" / name))
            link.type, link.linkname = tarfile.SYMTYPE, str(python)
            tar.addfile(link)
        _add_folders(tar, stdlib.parent, folders)
        tar.add(stdlib, str(stdlib), filter=_plain)
        for folder in ("/tmp", "/etc", "/usr/share"):
            _add_folders(tar, Path(folder), folders)
    return buffer.getvalue(), f"{base}/bin:/usr/bin:/bin"


def _libraries(files: list[Path]) -> set[Path]:
    said = subprocess.run(["ldd", *files], capture_output=True, text=True).stdout
    return {Path(word) for word in said.split() if word.startswith("/") and not word.endswith(":")}


def _add_folders(tar: tarfile.TarFile, folder: Path, seen: set[Path]) -> None:
    for path in reversed([folder, *folder.parents]):
        if path not in seen and path != Path("/"):
            seen.add(path)
            entry = tarfile.TarInfo(str(path))
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    parts = Path(entry.name).parts
    if _LEFT_OUT & set(parts) or any(part.startswith("config-") for part in parts):
        return None
    entry.uid = entry.gid = 0
    entry.mode |= 0o755 if entry.isdir() or entry.mode & 0o100 else 0o444
    return entry
