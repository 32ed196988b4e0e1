"""The client's side: find the folder's server, start one when there is none, keep it while needed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from lab_plugin.errors import ApiError
from lab_plugin.local_api import _locks, _record, _settings
from lab_plugin.local_api._trouble import start_remedy

DEFAULT_GRACE = 60.0
GRACE_VARIABLE = "PREFECT_LAB_API_GRACE"

_LOG = "api.log"
_LOG_LIMIT = 4 << 20
_SAID_BYTES = 256 << 10
_POLL_SECONDS = 0.05
# Without a proxy, whatever the environment says: it is this machine.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class LocalApi:
    """A folder's Prefect API, one server process shared by all that use it.

    Server and clients agree through files in the folder: locks that the kernel releases whatever happens to a
    process, and `api.json`, which is believed only when it names a living process. The server outlives its
    starter and leaves when nobody has held it for the grace time.

    Instances may be used from several threads; `close` once, or use it as a context manager.

    Args:
        home: The API's folder; made when missing, readable for its owner only.
        port: The port wanted; a free one is taken when another program has it.
        grace: Seconds without a client after which the server leaves; default `$PREFECT_LAB_API_GRACE` or 60.

    Raises:
        ApiError: The folder cannot be made.
    """

    def __init__(self, home: Path, port: int = _settings.DEFAULT_PORT, grace: float | None = None) -> None:
        self.home = home.expanduser().resolve()
        self._port = port
        self._grace = _grace() if grace is None else grace
        self._hold: int | None = None
        self._url: str | None = None
        self._log_start = 0
        try:
            self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise ApiError(f"The API's folder {self.home} cannot be made: {error.strerror}.") from error

    def __enter__(self) -> LocalApi:
        self.hold()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def hold(self) -> None:
        """Keep the server from leaving until `close`, or until this process ends in whatever way."""
        if self._hold is None:
            self._hold = _locks.acquire(self.home / _locks.CLIENTS, shared=True)

    def close(self) -> None:
        """Let go of the server."""
        if self._hold is not None:
            os.close(self._hold)
            self._hold = None

    def start(self) -> None:
        """Start a server unless one is there or starting; does not wait for it. Implies `hold`."""
        self.hold()
        with _locks.held(self.home / _locks.START):
            record = _record.load(self.home)
            if record is None or not record.alive:
                self._spawn(record.port if record and record.port else self._port)

    def expected_url(self) -> str:
        """Where the server will most likely listen; only `wait` knows."""
        record = _record.load(self.home)
        return _settings.api_url(record.port if record and record.port else self._port)

    def running(self) -> str | None:
        """The API's URL when it answers now, else None; starts nothing."""
        record = _record.load(self.home)
        if record is None or not record.port or not record.alive:
            return None
        url = _settings.api_url(record.port)
        return url if healthy(url) else None

    def is_served(self) -> bool:
        """Whether a server of the folder lives, be it still starting or already ending."""
        return _locks.is_held(self.home / _locks.SERVER)

    def is_used(self) -> bool:
        """Whether a client, or a server in the foreground, holds the folder now."""
        return _locks.is_held(self.home / _locks.CLIENTS)

    def wait(self, timeout: float = 120.0) -> str:
        """Wait until the API answers.

        Args:
            timeout: Seconds; a fresh folder takes about ten for its migrations.

        Returns:
            The URL for clients.

        Raises:
            ApiError: It died or did not answer in time; the message quotes its log.
        """
        deadline = time.monotonic() + timeout
        while (url := self.running()) is None:
            self._check(deadline, timeout)
            time.sleep(_POLL_SECONDS)
        return self._ready(url)

    async def ready(self, timeout: float = 120.0) -> str:
        """`wait` for a coroutine."""
        return await asyncio.to_thread(self.wait, timeout)

    def ensure(self, timeout: float = 120.0) -> str:
        """Make sure that the API answers: start it again, on the same port, if it died.

        A Prefect client that was connected before retries a refused connection for about a minute, so a flow
        goes on when somebody calls this within that time; `keep` does.

        Raises:
            ApiError: It cannot be started, or another program took its port in the meantime.
        """
        expected = self._url
        if (url := self.running()) is None:
            url = self._started_again(timeout)
        if expected is not None and url != expected:
            raise ApiError(
                f"The Prefect API had to move from {expected} to {url}, where running flows cannot follow.",
                "Run the command again; the campaign goes on from its ledger.",
            )
        return self._ready(url)

    def _started_again(self, timeout: float) -> str:
        before = _record.load(self.home)
        self.start()
        try:
            return self.wait(timeout)
        except ApiError:
            # A server that was dying, but not dead yet, when it was looked at: nothing was started then.
            if _record.load(self.home) not in (before, None):
                raise
            self.start()
            return self.wait(timeout)

    async def keep(self, interval: float = 2.0) -> None:
        """Call `ensure` for ever, every so many seconds; cancel it to stop.

        Raises:
            ApiError: As `ensure`.
        """
        while True:
            await asyncio.sleep(interval)
            await asyncio.to_thread(self.ensure)

    def stop(self, timeout: float = 15.0) -> bool:
        """End the folder's server, though others may use it.

        Args:
            timeout: Seconds until it is killed.

        Returns:
            Whether there was one.
        """
        record = _record.load(self.home)
        if record is None or not record.alive:
            return False
        deadline = time.monotonic() + timeout
        _signal(record, signal.SIGTERM)
        while record.alive:
            if time.monotonic() > deadline:
                _signal(record, signal.SIGKILL)
            time.sleep(_POLL_SECONDS)
        return True

    def _ready(self, url: str) -> str:
        self._url = url
        # A server that left in order has taken its record along; the next one belongs where it was.
        self._port = urlsplit(url).port or self._port
        return url

    def _check(self, deadline: float, timeout: float) -> None:
        record = _record.load(self.home)
        if record is None or not record.alive:
            said = self._said()
            raise ApiError(
                f"The Prefect API of {self.home} ended while starting:\n{_tail(said)}",
                start_remedy(self.home, self.home / _LOG, said),
            )
        if time.monotonic() > deadline:
            raise ApiError(
                f"The Prefect API of {self.home} (process {record.pid}) does not answer after {timeout:g} s.",
                f"See {self.home / _LOG}; end that process and try again.",
            )

    def _spawn(self, port: int) -> None:
        command = [sys.executable, "-m", "lab_plugin.local_api", "--home", str(self.home)]
        command += ["--port", str(port), "--grace", str(self._grace)]
        with _log(self.home / _LOG) as log:
            self._log_start = os.fstat(log).st_size
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.home,
                env=_settings.without_prefect(os.environ),
                # Ctrl-C in the campaign's terminal must not reach it.
                start_new_session=True,
            )
        _STARTED.append(process)
        started = _record.process_start(process.pid)
        if started is not None:
            _record.ApiRecord(process.pid, started).save(self.home)

    def _said(self) -> str:
        """What the newest server wrote, as far as it can matter."""
        try:
            with open(self.home / _LOG, "rb") as log:
                log.seek(max(self._log_start, os.fstat(log.fileno()).st_size - _SAID_BYTES))
                return log.read(_SAID_BYTES).decode("utf-8", "replace")
        except OSError:
            return ""


# Popen objects of servers that outlive this process; without a reference Python warns about each.
_STARTED: list[subprocess.Popen[bytes]] = []


def healthy(url: str, timeout: float = 2.0) -> bool:
    """Whether a Prefect API answers at a URL.

    Args:
        url: The API's URL, ending in `/api`.
        timeout: Seconds.
    """
    try:
        with _OPENER.open(f"{url}/health", timeout=timeout) as answer:
            return bool(answer.status == 200 and answer.read(16).strip() == b"true")
    except (OSError, urllib.error.URLError, ValueError):
        return False


def _grace() -> float:
    text = os.environ.get(GRACE_VARIABLE, "")
    try:
        return float(text) if text else DEFAULT_GRACE
    except ValueError:
        raise ApiError(f"{GRACE_VARIABLE}={text!r} is no number of seconds.") from None


def _signal(record: _record.ApiRecord, number: signal.Signals) -> None:
    try:
        handle = os.pidfd_open(record.pid)
    except ProcessLookupError:
        return
    try:
        # Checked after the descriptor is open, so that the signal cannot hit a later process of the same id.
        if record.alive:
            signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return
    finally:
        os.close(handle)


def _tail(said: str) -> str:
    return "\n".join(said.splitlines()[-15:]) or "(no log)"


@contextmanager
def _log(path: Path) -> Iterator[int]:
    if path.exists() and path.stat().st_size > _LOG_LIMIT:
        os.replace(path, path.with_suffix(".log.1"))
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        yield handle
    finally:
        os.close(handle)
