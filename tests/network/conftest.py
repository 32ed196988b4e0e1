"""Real servers on 127.0.0.1 with certificates made on the fly, and real proxies in front of them."""

import asyncio
import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lab_plugin.network import Injection, Policy, Proxy, ProxyLimits

HOSTS = ("good.test", "api.good.test", "other.test")
SECRET = "sk-very-secret-4711"
LOOPBACK = ip_address("127.0.0.1")


@dataclass(frozen=True)
class Authority:
    """A certificate authority that nobody else trusts."""

    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def server(self, host: str = "") -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / f"{host or 'all'}.pem")
        return context

    def client(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca))


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("authority")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Lab test CA")])
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    root = _certificate(name, key, name, key, [(constraints, True), (usage, True), (identifier, False)])
    (folder / "ca.pem").write_bytes(root.public_bytes(serialization.Encoding.PEM))
    for label, hosts in {"all": HOSTS, "other.test": ("other.test",)}.items():
        own = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, label)])
        leaf = _certificate(subject, own, name, key, [(names, False), (issuer, False)])
        (folder / f"{label}.pem").write_bytes(
            own.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + leaf.public_bytes(serialization.Encoding.PEM)
        )
    return Authority(folder)


def _certificate(subject: Any, key: Any, issuer: Any, signer: Any, extensions: list[Any]) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(signer, hashes.SHA256())


class Web(ThreadingHTTPServer):
    """A host of the internet, on 127.0.0.1: TLS, HTTP/1.1, and a memory of what it was asked."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.port: int = self.server_address[1]
        self.seen: list[tuple[str, str, list[tuple[str, str]], bytes]] = []
        self.chunks = 0
        self.go_on = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Web

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._note(b"")
        if self.path.startswith("/events"):
            self._stream(waits=self.path == "/events")
        elif self.path == "/endless":
            self._flood()
        elif self.path == "/until-closed":
            self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\nuntil closed")
            self.close_connection = True
        elif self.path == "/moved":
            self._say(302, b"", Location="https://other.test/")
        elif self.path == "/cut":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
            self.close_connection = True
        elif self.path == "/nonsense":
            self.wfile.write(b"220 ready to speak mail\r\n")
            self.close_connection = True
        else:
            self._say(200, f"hello from {self.headers['Host']}".encode())

    do_HEAD = do_DELETE = do_GET

    def do_POST(self) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
                self.server.chunks += 1
            self.rfile.readline()
        else:
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            if len(body) < length:
                return
        self._note(body)
        self._say(200, body)

    def _note(self, body: bytes) -> None:
        self.server.seen.append((self.command, self.path, list(self.headers.items()), body))

    def _say(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _stream(self, waits: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(3):
            self.wfile.write(b"f\r\ndata: event %d\n\n\r\n" % number)
            self.wfile.flush()
            # The next one only once somebody read this one.
            if waits:
                self.server.go_on.wait(20)
                self.server.go_on.clear()
        self.wfile.write(b"0\r\n\r\n")

    def _flood(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(b"x" * 65536)


@pytest.fixture
def make_web(authority: Authority) -> Iterator[Callable[..., Web]]:
    made: list[Web] = []

    def make(host: str = "") -> Web:
        web = Web(authority.server(host))
        threading.Thread(target=web.serve_forever, args=(0.02,), daemon=True).start()
        made.append(web)
        return web

    yield make
    for web in made:
        web.go_on.set()
        web.shutdown()
        web.server_close()


@pytest.fixture
def web(make_web: Callable[..., Web]) -> Web:
    return make_web()


class Listener:
    """A host that only notes: how many connected, and what they sent."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.received: list[bytes] = []
        self.connections: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connected, _ = self._socket.accept()
                self.connections.append(connected)
                threading.Thread(target=self._note, args=(connected,), daemon=True).start()

    def _note(self, connected: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := connected.recv(65536):
                self.received.append(data)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for connected in self.connections:
            connected.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


@dataclass
class Lab:
    """A running proxy, and a way to talk to it as a program inside would."""

    proxy: Proxy
    log: Path
    authority: Authority
    asked: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return self.proxy.socket.parent

    def connect(self, timeout: float = 30) -> socket.socket:
        connected = socket.socket(socket.AF_UNIX)
        connected.connect(str(self.proxy.socket))
        connected.settimeout(timeout)
        return connected

    def say(self, data: bytes) -> bytes:
        """All that the proxy answers to these bytes."""
        with self.connect() as connected:
            connected.sendall(data)
            return read_all(connected)

    def status(self, data: bytes) -> int:
        answer = self.say(data)
        return int(answer.split()[1]) if answer else 0

    def connect_status(self, target: str) -> int:
        return self.status(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())

    def tunnel(self, target: str) -> socket.socket:
        connected = self.connect()
        connected.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            data = connected.recv(1)
            assert data, f"no tunnel: {answer!r}"
            answer += data
        assert answer.startswith(b"HTTP/1.1 200"), answer + read_all(connected)
        return connected

    def tls(self, target: str, name: str = "") -> ssl.SSLSocket:
        host = target.partition(":")[0]
        context = self.authority.client()
        context.check_hostname = False
        return context.wrap_socket(self.tunnel(target), server_hostname=name or host)

    async def end(self, lines: int = 1) -> list[dict[str, Any]]:
        """Close the proxy once so many requests have ended, and read its log."""
        while self.log.read_bytes().count(b"\n") < lines:
            await asyncio.sleep(0.01)
        await self.proxy.close()
        return [json.loads(line) for line in self.log.read_text().splitlines()]


def read_all(connected: socket.socket) -> bytes:
    found = b""
    with contextlib.suppress(ConnectionError):
        while data := connected.recv(65536):
            found += data
    return found


LabMaker = Callable[..., Any]


class Clock:
    """The time of proxies: it stands still, so that no limit is reached before a test has done its part."""

    def __init__(self) -> None:
        self._time = time.monotonic()
        self._went: float | None = None

    def time(self) -> float:
        return self._time + (time.monotonic() - self._went if self._went is not None else 0.0)

    def move(self, seconds: float) -> None:
        self._time += seconds

    def go(self) -> None:
        """From now on it goes as it does for everybody."""
        self._went = time.monotonic()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Of all proxies that this test makes."""
    clock = Clock()

    class Loop(asyncio.SelectorEventLoop):
        def time(self) -> float:
            return clock.time()

    monkeypatch.setattr(asyncio, "SelectorEventLoop", Loop)
    return clock


@pytest.fixture
async def make_lab_network(tmp_path: Path, authority: Authority) -> AsyncIterator[LabMaker]:
    """A proxy with some rules; every name leads to 127.0.0.1, the only address that it may connect to."""
    labs: list[Lab] = []

    async def make(
        *rules: str,
        addresses: Sequence[str] = ("127.0.0.1",),
        injections: Sequence[Injection] = (),
        limits: ProxyLimits | None = None,
        may_connect: Callable[[Any], bool] = lambda address: address == LOOPBACK,
        **changes: Any,
    ) -> Lab:
        asked: list[str] = []

        async def resolve(host: str, port: int) -> Sequence[str]:
            asked.append(host)
            await asyncio.sleep(0)
            return addresses

        folder = tmp_path / f"net{len(labs)}"
        # The sandbox's own user has to look into it, where a test shows the folder and not the socket.
        folder.mkdir(mode=0o755)
        log = tmp_path / f"access{len(labs)}.jsonl"
        settings = {"resolve": resolve, "may_connect": may_connect, "tls": authority.client(), **changes}
        proxy = Proxy(
            Policy.parse(rules),
            folder,
            log=log,
            injections=injections,
            limits=limits,
            environment={"API_KEY": SECRET},
            **settings,
        )
        await proxy.start()
        labs.append(Lab(proxy, log, authority, asked))
        return labs[-1]

    yield make
    for lab in labs:
        await lab.proxy.close()
