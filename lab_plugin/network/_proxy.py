"""The proxy, as the lab starts and ends it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from types import MappingProxyType, TracebackType

import certifi

from lab_plugin.errors import SandboxUnavailable
from lab_plugin.network._access_log import AccessLog
from lab_plugin.network._addresses import is_public
from lab_plugin.network._dial import Dialer, MayConnect, Resolve
from lab_plugin.network._injection import Injection, read_credentials
from lab_plugin.network._limits import ProxyLimits, Usage
from lab_plugin.network._policy import Policy
from lab_plugin.network._resolver import system_resolve
from lab_plugin.network._server import Server

FORWARDER = Path(__file__).parent / "forwarder.py"
"""The program to run inside, in front of the command: `python -I -S forwarder.py SOCKET -- command...`."""

_SOCKET = "network.sock"
_BACKLOG = 64


class Proxy:
    """The only way out of one job's sandbox: a filtering proxy on a unix socket.

    It works on a thread and an event loop of its own: what a hostile program does to it delays neither
    the lab's loop nor other jobs' proxies, and a busy lab does not delay the program's connections. It ends
    with the process, also by `kill -9`; only the socket's file is left then.

    **Inside** it is shown as `socket` (mode 666: the sandbox's user may connect; a read-only bind is enough).
    **Outside** the folder's mode decides who can reach it, so that should be 700.

    Args:
        policy: What may be reached.
        folder: Existing folder for the socket, one per proxy.
        log: Access log, one JSON line per request: `time`, `kind`, `host`, `port`, `address`, `verdict`
            (`allowed`, `refused`, `failed`), `reason`, `up`, `down` (bytes), `seconds`.
        injections: Credentials to add outside.
        limits: Upper bounds.
        resolve: Gives the addresses of a name.
        may_connect: Judges each address.
        tls: Verifies hosts of injections; None for the system's certificates, or certifi's.
        environment: Where secrets are read from; None for this process's environment.
        services: Host, see `service_host` -> port of 127.0.0.1 that may be reached too.

    Raises:
        ConfigError: An injection cannot be used.

    Attributes:
        socket: Path of the socket.
    """

    def __init__(
        self,
        policy: Policy,
        folder: Path,
        *,
        log: Path,
        injections: Sequence[Injection] = (),
        limits: ProxyLimits | None = None,
        resolve: Resolve = system_resolve,
        may_connect: MayConnect = is_public,
        tls: ssl.SSLContext | None = None,
        environment: Mapping[str, str] | None = None,
        services: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self.socket = folder / _SOCKET
        self._policy = policy
        self._log_path = log
        self._limits = limits or ProxyLimits()
        self._resolve = resolve
        self._may_connect = may_connect
        self._credentials = read_credentials(
            injections, policy, os.environ if environment is None else environment
        )
        self._tls = tls
        self._services = services
        self._work: _Work | None = None

    async def start(self) -> None:
        """Listen; when it returns, a client can connect.

        Raises:
            SandboxUnavailable: The socket or the log cannot be made.
        """
        assert self._work is None, "a proxy is started once"
        try:
            listener = _listen(self.socket)
        except OSError as error:
            raise _unavailable(self.socket, error) from error
        try:
            log = AccessLog(self._log_path, self._limits.log_bytes)
        except OSError as error:
            listener.close()
            self.socket.unlink(missing_ok=True)
            raise _unavailable(self._log_path, error) from error
        self._work = _Work(partial(self._make_server, log), listener, log)

    async def close(self) -> Usage:
        """End every connection, and remove the socket. Idempotent.

        Returns:
            What went through it.
        """
        if self._work is None:
            return Usage(requests=0, refused=0, failed=0, bytes_up=0, bytes_down=0, unlogged=0)
        self.socket.unlink(missing_ok=True)
        return await self._work.end()

    async def __aenter__(self) -> Proxy:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _make_server(self, log: AccessLog) -> Server:
        dialer = Dialer(self._resolve, self._may_connect, self._limits.connect_seconds)
        tls = self._tls or _verifying(bool(self._credentials))
        return Server(self._policy, self._credentials, dialer, tls, self._limits, log, self._services)


class _Work:
    """The thread, its loop, and the server on it."""

    def __init__(self, make: Callable[[], Server], listener: socket.socket, log: AccessLog) -> None:
        self._make = make
        self._listener = listener
        self._log = log
        self._usage: Future[Usage] = Future()
        self._stop = asyncio.Event()
        # Never uvloop: a socket is used without a transport here, which asyncio's own loop allows.
        self._loop = asyncio.SelectorEventLoop()
        self._thread = threading.Thread(target=self._run, name="lab-network", daemon=True)
        self._thread.start()

    async def end(self) -> Usage:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop.set)
        usage = await asyncio.shield(asyncio.wrap_future(self._usage))
        self._thread.join()
        return usage

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                usage = runner.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - handed to who ends it
            self._usage.set_exception(error)
        else:
            self._usage.set_result(usage)

    async def _serve(self) -> Usage:
        with contextlib.closing(self._log), self._listener:
            server = self._make()
            await server.serve(self._listener, self._stop)
        return server.totals.usage(self._log.dropped)


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    folder = -1
    try:
        # Through a descriptor: a socket's own path may have 107 bytes only.
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        inside = f"/proc/self/fd/{folder}/{path.name}"
        listener.bind(inside)
        os.chmod(inside, 0o666)  # noqa: S103 - the sandbox's user; the folder keeps others out
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    finally:
        if folder >= 0:
            os.close(folder)
    return listener


def _verifying(is_used: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["http/1.1"])
    # Reading the certificates takes long, and without credentials nobody asks for them.
    if is_used:
        places = ssl.get_default_verify_paths()
        has_folder = places.capath is not None and any(Path(places.capath).iterdir())
        if places.cafile is not None or has_folder:
            context.load_default_certs()
        else:
            context.load_verify_locations(certifi.where())
    return context


def _unavailable(path: Path, error: OSError) -> SandboxUnavailable:
    return SandboxUnavailable(
        f"the network proxy cannot make {path}: {error.strerror or error}",
        "Make its folder writable, one for each proxy.",
    )
