"""What the shared server answers, and to whom."""

from __future__ import annotations

import http.client
import json
import os
import socket
from urllib.parse import urlsplit

import pytest

from lab_plugin.local_api import LocalApi


def ask(
    api: LocalApi, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    address = urlsplit(api.wait())
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
    try:
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, {"Content-Type": "application/json", **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_json_nulls_are_taken(served: LocalApi) -> None:
    """FastAPI 0.151 and later answer 422 to these."""
    body = {"flows": None, "flow_runs": None, "sort": "ID_DESC", "limit": None, "offset": 0}
    status, answer = ask(served, "POST", "/api/flow_runs/filter", body)
    assert status == 200, answer
    assert isinstance(json.loads(answer), list)


def test_the_ui_opens_at_once_and_calls_the_right_port(served: LocalApi) -> None:
    status, answer = ask(served, "GET", "/ui-settings")
    settings = json.loads(answer)
    assert status == 200
    assert settings["api_url"] == served.wait()
    assert settings["auth"] is None
    status, answer = ask(served, "GET", "/", headers={"Accept": "text/html"})
    assert status in (200, 307)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:4200"},
    ],
)
def test_a_foreign_page_is_refused(served: LocalApi, headers: dict[str, str]) -> None:
    assert ask(served, "POST", "/api/flow_runs/filter", {}, headers)[0] == 403


def test_its_own_page_is_served(served: LocalApi) -> None:
    origin = served.wait().removesuffix("/api")
    assert ask(served, "POST", "/api/flow_runs/filter", {}, {"Origin": origin})[0] == 200


@pytest.mark.skipif(os.getuid() != 0, reason="only root can act as another user")
def test_another_user_is_cut_off(served: LocalApi) -> None:
    address = urlsplit(served.wait())
    child = os.fork()
    if child == 0:
        try:
            os.setuid(65534)
            with socket.create_connection((address.hostname or "", address.port or 0), timeout=30) as link:
                link.sendall(b"GET /api/health HTTP/1.1\r\nHost: x\r\n\r\n")
                os._exit(1 if link.recv(100) else 0)
        except ConnectionError:
            os._exit(0)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
