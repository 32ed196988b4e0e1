"""The server process: Prefect's own application, with our database configuration, under uvicorn."""

from __future__ import annotations

import argparse
import errno
import os
import socket
from functools import partial
from importlib.metadata import version
from pathlib import Path

from lab_plugin.imports import large_imports
from lab_plugin.local_api import _locks, _record, _settings
from lab_plugin.local_api._credential import load_credential

_BACKLOG = 2048


def main(arguments: list[str] | None = None) -> int:
    """Serve the API of a folder until a signal or, with `--grace`, until nobody uses it.

    Args:
        arguments: The command line; default the process's own.

    Returns:
        The exit status.
    """
    options = _parser().parse_args(arguments)
    home: Path = options.home.expanduser().resolve()
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    wanted = options.port
    handle = _locks.acquire(home / _locks.SERVER, wait=options.grace is not None)
    if handle is None:
        # Who used the server that was there goes on with this one.
        wanted = _record.last_port(home) or wanted
        if not _outlast(home):
            return 0
    listener = _listen(wanted)
    port = listener.getsockname()[1]
    if options.grace is None:
        # Somebody looks at it, until the process ends.
        _locks.acquire(home / _locks.CLIENTS, shared=True)
    pid = os.getpid()
    started = _record.process_start(pid)
    assert started is not None
    # The starter holds the lock until it has written its own record, which this one must follow.
    with _locks.held(home / _locks.START):
        _record.ApiRecord(pid, started, port, version("prefect")).save(home)
    if options.grace is None:
        # Said only now: who hears it finds the record, and starts no server of its own.
        print(f"Prefect UI  {_settings.ui_url(port)}\nPrefect API {_settings.api_url(port)}", flush=True)
    try:
        _serve(home, listener, options.grace)
    finally:
        _record.remove(home, pid)
    return 0


def _outlast(home: Path) -> bool:
    """Keep the server that is there until it ends; then this process holds the lock. False after Ctrl-C."""
    try:
        with (
            _locks.held(home / _locks.CLIENTS, shared=True),
            _locks.held(home / _locks.DEPLOYMENTS, shared=True),
        ):
            # Said only now, that it is true: who hears it may let go of the server.
            record = _record.load(home)
            where = f" at {_settings.ui_url(record.port)}" if record and record.port else ""
            print(f"Prefect UI  served already{where}; it stays while this command runs", flush=True)
            _locks.acquire(home / _locks.SERVER)
    except KeyboardInterrupt:
        return False
    return True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lab_plugin.local_api", description="Serve a lab's Prefect API and UI."
    )
    parser.add_argument("--home", type=Path, required=True, help="the folder of the API's database")
    parser.add_argument(
        "--port", type=int, default=_settings.DEFAULT_PORT, help="a free one is chosen when it is taken"
    )
    parser.add_argument(
        "--grace", type=float, help="exit after so many seconds without a client; default: never"
    )
    return parser


def _listen(port: int) -> socket.socket:
    try:
        return _bound(port)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        return _bound(0)


def _bound(port: int) -> socket.socket:
    # asyncio switches Nagle's algorithm off only where the protocol is named; with it, most answers wait
    # 40 ms for the client's delayed acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # Without it, a restart could not take the port while old connections linger in TIME_WAIT.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_settings.HOST, port))
        # With it, two servers can bind one port; only listening makes it this one's, so it comes at once.
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _serve(home: Path, listener: socket.socket, grace: float | None) -> None:
    port = listener.getsockname()[1]
    extra = {} if grace is None else _settings.WITHOUT_DEPLOYMENTS
    credential = load_credential(home)
    _settings.apply(_settings.server_settings(home, port, credential) | extra)
    _settings.forget_old_memos(home, port)
    # Prefect reads `.env`, `prefect.toml` and `pyproject.toml` of the working directory.
    os.chdir(home)

    with large_imports():
        import uvicorn
        import uvloop
        from prefect.server.api.server import create_app
        from prefect.server.database.dependencies import set_database_config, set_query_components

        from lab_plugin.guards import OwnPagesOnly, SameUserProtocol
        from lab_plugin.local_api._database import ManyRowsQueries, QueuedSqliteConfiguration
        from lab_plugin.local_api._deployments import serve_deployments
        from lab_plugin.local_api._lifetime import serve
        from lab_plugin.local_api._logos import Logos

        url = os.environ["PREFECT_API_DATABASE_CONNECTION_URL"]
        set_database_config(QueuedSqliteConfiguration(url))
        set_query_components(ManyRowsQueries())
        app = create_app(final=True)
    config = uvicorn.Config(
        OwnPagesOnly(Logos(app), _settings.own_origins(port)),
        # Who shows the credential may be another user: containers of a pool are.
        http=SameUserProtocol if credential is None else "httptools",
        # Client and uvicorn both drop idle connections after 5 s: a request sent in that moment meets
        # a closed connection, and the client sleeps two seconds. So the server waits longer.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
        ws_per_message_deflate=False,
        access_log=False,
        log_config=None,
        lifespan="on",
    )
    uvloop.run(serve(config, listener, home, grace, partial(serve_deployments, app)))
