"""With authentication on, nothing is served to who does not show the credential."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.ports import free_port
from tests.program import LAB
from tests.up.conftest import Up, marked

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

# What answers without a credential, and why that gives nothing away.
PREFECT_OPEN = {
    ("GET", "/api/health"): "says `true`: for health checks",
    ("GET", "/api/ready"): "says whether the database answers: for health checks",
}
PREFECT_PAGES = {
    "/": "the UI's own files, the same for everybody; it asks for the password",
    "/ui-settings": "tells the UI that it must ask for a password, and where the API is",
    "/docs": "the API's description, as Prefect publishes it",
    "/redoc": "the API's description, as Prefect publishes it",
    "/openapi.json": "the API's description, as Prefect publishes it",
}
MLFLOW_OPEN = {("GET", "/health"): "says `OK`: for health checks"}
SOCKETS = (
    "/api/events/in",
    "/api/events/out",
    "/api/logs/out",
    "/api/task_runs/subscriptions/scheduled",
    "/api/work_pools/any/workers/connect",
)


class Caller:
    """One connection that shows nothing."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url)
        self._connection = self._connect()

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(str(self._address.hostname), self._address.port, timeout=120)

    def __call__(self, method: str, path: str, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        try:
            return self._ask(method, path, headers or {})
        except (http.client.HTTPException, ConnectionError):
            # A server closes what was idle for long.
            self._connection.close()
            self._connection = self._connect()
            return self._ask(method, path, headers or {})

    def _ask(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
        body = b"{}" if method in ("POST", "PUT", "PATCH") else None
        self._connection.request(method, path, body, {"Content-Type": "application/json", **headers})
        answer = self._connection.getresponse()
        return answer.status, answer.read()


def concrete(path: str) -> str:
    """A path of a schema or of Flask's rules, with something in the place of each parameter."""
    return re.sub(r"\{[^}]*\}|<[^>]*>", "00000000-0000-0000-0000-000000000000", path)


def credential(file: str) -> str:
    assert os.stat(file).st_mode & 0o077 == 0, "others could read it"
    return Path(file).read_text().strip()


@pytest.fixture
def locked(up: Callable[..., Up], up_home: Path, tmp_path: Path) -> Iterator[Up]:
    up_ports = ("--port", str(free_port()), "--mlflow-port", str(free_port()))
    yield up("--auth", *up_ports, cwd=tmp_path)


def mlflow_paths() -> list[str]:
    """Every route of MLflow's two applications, with those that its schema leaves out."""
    from mlflow.server import app as flask
    from mlflow.server.fastapi_app import app as fastapi

    found = {rule.rule for rule in flask.url_map.iter_rules()}
    found |= set(fastapi.openapi()["paths"]) | {"/docs", "/openapi.json", "/redoc", "/"}
    return sorted(concrete(path) for path in found)


def test_no_call_without_the_credential_succeeds(
    locked: Up, up_home: Path, make_lab: Callable[..., Path], tmp_path: Path
) -> None:
    told = locked.addresses
    secret = credential(told["credential"])
    shown = {"Authorization": "Basic " + base64.b64encode(secret.encode()).decode()}
    prefect, mlflow = Caller(told["prefect"]["ui"]), Caller(told["mlflow"]["ui"])

    schema = json.loads(prefect("GET", "/openapi.json")[1])
    paths = [f"/api{concrete(path.removeprefix('/api'))}" for path in schema["paths"]]
    assert len(paths) > 100
    paths += ["/api/docs", "/api/openapi.json", "/api/redoc", "/api/static/prefect-logo-mark-gradient.png"]
    open_, data = scan(prefect, paths)
    assert open_ == set(PREFECT_OPEN), data
    for page in PREFECT_PAGES:
        status, body = prefect("GET", page)
        assert status in (200, 307), page
        assert secret.encode() not in body and str(up_home).encode() not in body
    assert prefect("POST", "/api/flow_runs/filter", shown)[0] == 403, "a page cannot use a browser's password"

    paths = mlflow_paths()
    assert len(paths) > 150
    open_, data = scan(mlflow, paths)
    assert open_ == set(MLFLOW_OPEN), data
    assert mlflow("GET", "/", shown)[0] == 200
    wrong = {"Authorization": "Basic " + base64.b64encode(f"{secret}x".encode()).decode()}
    for caller, path in ((prefect, "/api/admin/version"), (mlflow, "/version")):
        assert caller("GET", path, shown)[0] == 200
        assert caller("GET", path, wrong)[0] == 401
    for path in SOCKETS:
        assert not hears(told["prefect"]["ui"], path, "wrong:password"), path
        assert not hears(told["prefect"]["ui"], path, None), path
    assert hears(told["prefect"]["ui"], "/api/events/out", secret)

    campaign_runs(make_lab(), up_home, tmp_path)
    assert locked.end() == 0
    assert marked("PREFECT_LAB_HOME", up_home) == []


def scan(caller: Caller, paths: list[str]) -> tuple[set[tuple[str, str]], dict[str, Any]]:
    """What does not refuse, of every method on every path."""
    found, bodies = set(), {}
    for path in paths:
        for method in METHODS:
            status, body = caller(method, path)
            if status not in (401, 403):
                found.add((method, path))
                bodies[f"{method} {path}"] = (status, body[:200])
    return found, bodies


def hears(url: str, path: str, secret: str | None) -> bool:
    """Whether a web socket goes on after its greeting."""
    subprotocols = None if secret is None else [Subprotocol("prefect")]
    try:
        with connect(
            url.replace("http", "ws", 1) + path, subprotocols=subprotocols, proxy=None, open_timeout=60
        ) as socket:
            if secret is not None:
                socket.send(json.dumps({"type": "auth", "token": secret}))
            return "success" in str(socket.recv(timeout=60))
    except (WebSocketException, TimeoutError, OSError):
        return False


def campaign_runs(lab: Path, home: Path, tmp_path: Path) -> None:
    """The lab's own commands need no telling of the credential."""
    environment = {**os.environ, "PREFECT_LAB_HOME": str(home), "HOME": str(tmp_path)}
    for arguments in (("lock",), ("run", "-n", "1", "--json")):
        done = subprocess.run([LAB, *arguments], cwd=lab, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["ideas"]) == 1


def test_the_setting_stays_and_is_taken_back(up_home: Path) -> None:
    from lab_plugin.errors import ApiError
    from lab_plugin.home import Home
    from lab_plugin.local_api import client_settings, load_credential
    from lab_plugin.up import set_authentication

    home = Home(up_home)
    assert set_authentication(home, None) is None
    secret = set_authentication(home, True)
    assert secret and set_authentication(home, None) == secret == set_authentication(home, True)
    assert client_settings("http://x/api", home.prefect)["PREFECT_API_AUTH_STRING"] == secret
    file = home.prefect / "credential"
    file.chmod(0o644)
    with pytest.raises(ApiError, match="read by others"):
        load_credential(home.prefect)
    file.chmod(0o600)
    file.write_text("no password")
    with pytest.raises(ApiError, match="user:password"):
        load_credential(home.prefect)
    file.unlink()
    assert set_authentication(home, False) is None
