"""A remote by HTTP, with a password that git's own credential helper knows."""

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lab_plugin.errors import RemoteError
from lab_plugin.lab import Lab
from lab_plugin.sharing import probe, standing
from tests.conftest import git
from tests.sharing.conftest import Run, Shared

PASSWORD = "hunter2"


class Backend(BaseHTTPRequestHandler):
    """`git http-backend` behind basic authentication."""

    root: Path

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def answer(self) -> None:
        known = base64.b64encode(f"ada:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {known}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="labs"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        url = urlsplit(self.path)
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REMOTE_USER": "ada",
            "PATH_INFO": url.path,
            "QUERY_STRING": url.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(
            ["git", "http-backend"], input=self.body(), env=environment, capture_output=True, check=False
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        lines = [line.partition(": ") for line in head.decode().split("\r\n")]
        status = next((value for name, _, value in lines if name == "Status"), "200 OK")
        self.send_response(int(status.split()[0]))
        for name, _, value in lines:
            if name not in ("Status", ""):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = b""
        while size := int(self.rfile.readline(), 16):
            parts += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return parts

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    handler = type("Here", (Backend,), {"root": tmp_path})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/remote.git"
        server.shutdown()
        thread.join()


async def test_a_campaign_by_http(
    shared: Shared, run: Run, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(shared.bare, "config", "http.receivepack", "true")
    here = shared.toy.folder
    git(here, "remote", "set-url", "origin", address)
    monkeypatch.setenv("HOME", str(tmp_path))
    lab = Lab.open(here)
    with pytest.raises(RemoteError) as caught:
        probe(lab)
    assert (
        "credential helper" in caught.value.remedy
        and "401" in caught.value.message
        or "Username" in str(caught.value)
    )
    (tmp_path / "password").write_text(f"{address.replace('//', f'//ada:{PASSWORD}@')}\n")
    helper = f"[credential]\n\thelper = store --file={tmp_path / 'password'}\n\tuseHttpPath = true\n"
    (tmp_path / ".gitconfig").write_text(helper)
    assert "takes a push" in probe(lab)
    lab.close()
    from tests.campaign.conftest import lock

    await lock(here)
    await run(here, 2)
    assert shared.refs()["refs/lab/toy/ledger"] == git(here, "rev-parse", "refs/lab/toy/ledger")
    lab = Lab.open(here)
    found = standing(lab)
    assert found is not None and found.remote == address and PASSWORD not in found.sentence
    lab.close()
