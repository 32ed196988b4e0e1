import asyncio
import contextlib
import json
import os
import socket
import ssl
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from lab_plugin.errors import SandboxUnavailable
from lab_plugin.network import Policy, Proxy, ProxyLimits, system_resolve

GET = b"GET / HTTP/1.1\r\nHost: good.test\r\nConnection: close\r\n\r\n"


def read_all(connected: socket.socket) -> bytes:
    found = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while data := connected.recv(65536):
            found += data
    return found


def fetch(lab: Any, target: str, name: str = "") -> bytes:
    with lab.tls(target, name) as connected:
        connected.sendall(GET)
        return read_all(connected)


async def eventually(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not become true")


async def test_an_allowed_host_is_reached(make_lab_network: Any, web: Any) -> None:
    lab = await make_lab_network(f"good.test:{web.port}")
    answer = fetch(lab, f"GOOD.test.:{web.port}", "good.test")
    assert answer.endswith(b"hello from good.test")
    (line,) = await lab.end()
    assert line["verdict"] == "allowed"
    assert line["reason"] == ""
    assert (line["kind"], line["host"], line["port"]) == ("tunnel", "good.test", web.port)
    assert line["address"] == "127.0.0.1"
    assert line["up"] > len(GET)
    assert line["down"] > len(answer)
    assert line["seconds"] >= 0
    assert line["time"].endswith("Z")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("retry", [False, True])
async def test_every_kind_of_handshake_works(
    make_lab_network: Any, make_web: Any, authority: Any, version: ssl.TLSVersion, retry: bool
) -> None:
    web = make_web()
    if retry:
        # The client offers a key on another curve first, so a TLS 1.3 server asks again.
        web.socket.context.set_ecdh_curve("secp384r1")
    lab = await make_lab_network(f"good.test:{web.port}")
    context = authority.client()
    context.maximum_version = context.minimum_version = version
    for _ in range(2):
        with context.wrap_socket(
            lab.tunnel(f"good.test:{web.port}"), server_hostname="good.test"
        ) as connected:
            connected.sendall(GET)
            assert read_all(connected).endswith(b"hello from good.test")


async def test_a_client_may_send_its_hello_with_the_request(
    make_lab_network: Any, web: Any, authority: Any
) -> None:
    lab = await make_lab_network(f"good.test:{web.port}")
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        authority.client().wrap_bio(incoming, outgoing, server_hostname="good.test").do_handshake()
    head = f"CONNECT good.test:{web.port} HTTP/1.0\r\n\r\n".encode()
    with lab.connect() as connected:
        connected.sendall(head + outgoing.read())
        answer = b""
        while not answer.partition(b"\r\n\r\n")[2].startswith(b"\x16\x03\x03"):
            data = connected.recv(65536)
            assert data
            answer += data


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("other.test:443", "no rule"),
        ("good.test:443", "port 443"),
        ("good.test:22", "port 22"),
        ("sub.good.test:PORT", "no rule"),
        ("evil.wild.test:PORT", "forbidden"),
        ("127.0.0.1:PORT", "IP address"),
        ("2130706433:PORT", "IP address"),
        ("0x7f.1:PORT", "IP address"),
        ("[::1]:PORT", "IP address"),
        ("[::ffff:127.0.0.1]:PORT", "IP address"),
        ("localhost:PORT", "no rule"),
        ("good_test:PORT", "no rule"),
        ("good..test:PORT", "not a host name"),
        ("good.test%00.x.com:PORT", "not a host name"),
    ],
)
async def test_other_targets_are_refused_without_a_lookup(
    make_lab_network: Any, listener: Any, target: str, reason: str
) -> None:
    lab = await make_lab_network(
        f"good.test:{listener.port}",
        f"*.wild.test:{listener.port}",
        f"evil.wild.test:{listener.port}",
        "!evil.wild.test",
    )
    target = target.replace("PORT", str(listener.port))
    assert lab.connect_status(target) == 403
    (line,) = await lab.end()
    assert line["verdict"] == "refused"
    assert reason in line["reason"]
    assert lab.asked == []
    assert listener.connections == []


@pytest.mark.parametrize(
    "addresses",
    [
        ("10.0.0.1",),
        ("127.0.0.1",),
        ("169.254.169.254",),
        ("100.64.0.1",),
        ("::1",),
        ("::ffff:127.0.0.1",),
        ("64:ff9b::7f00:1",),
        ("fe80::1%lo",),
        ("192.0.2.1", "10.0.0.1"),
        ("151.101.0.223", "127.0.0.1"),
        ("127.0.0.1", "151.101.0.223"),
        ("151.101.0.223", "::1"),
    ],
)
async def test_one_private_address_spoils_an_answer(
    tmp_path: Path, authority: Any, listener: Any, addresses: tuple[str, ...]
) -> None:
    async def resolve(host: str, port: int) -> tuple[str, ...]:
        return addresses

    log = tmp_path / "log"
    async with Proxy(
        Policy.parse([f"good.test:{listener.port}"]), tmp_path, log=log, resolve=resolve
    ) as proxy:
        with socket.socket(socket.AF_UNIX) as connected:
            connected.connect(str(proxy.socket))
            connected.sendall(f"CONNECT good.test:{listener.port} HTTP/1.0\r\n\r\n".encode())
            answer = read_all(connected)
    assert answer.startswith(b"HTTP/1.1 403")
    line = json.loads(log.read_text())
    assert "not public" in line["reason"]
    assert line["address"] in {str(ip_address(address)) for address in addresses}
    assert line["address"].encode() not in answer
    assert listener.connections == []


async def test_the_name_is_resolved_once_and_the_checked_address_used(
    make_lab_network: Any, web: Any
) -> None:
    answers = iter([("127.0.0.1",), ("10.9.9.9",)])
    checked = []

    async def resolve(host: str, port: int) -> tuple[str, ...]:
        return next(answers)

    def may_connect(address: Any) -> bool:
        checked.append(str(address))
        return str(address) == "127.0.0.1"

    lab = await make_lab_network(f"good.test:{web.port}", resolve=resolve, may_connect=may_connect)
    assert fetch(lab, f"good.test:{web.port}").endswith(b"hello from good.test")
    assert checked == ["127.0.0.1"]
    assert lab.connect_status(f"good.test:{web.port}") == 403
    assert checked == ["127.0.0.1", "10.9.9.9"]


async def test_the_next_address_is_tried(make_lab_network: Any, make_web: Any) -> None:
    web = make_web()
    lab = await make_lab_network(
        f"good.test:{web.port}",
        addresses=("127.0.0.2", "127.0.0.1"),
        may_connect=lambda address: address.is_loopback,
    )
    assert fetch(lab, f"good.test:{web.port}").endswith(b"hello from good.test")


async def test_a_host_that_cannot_be_reached_is_told(make_lab_network: Any) -> None:
    # Bound, so that nobody else gets the port, and not listening.
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        lab = await make_lab_network(f"good.test:{port}")
        assert lab.connect_status(f"good.test:{port}") == 502
    none = await make_lab_network(f"good.test:{port}", addresses=())
    assert none.connect_status(f"good.test:{port}") == 502
    bad = await make_lab_network(f"good.test:{port}", addresses=("not an address",))
    assert bad.connect_status(f"good.test:{port}") == 502
    for each in (lab, none, bad):
        (line,) = await each.end()
        assert line["verdict"] == "failed"


async def test_a_resolver_that_fails_or_hangs_harms_nobody(make_lab_network: Any) -> None:
    async def fail(host: str, port: int) -> tuple[str, ...]:
        raise OSError("no such name")

    async def hang(host: str, port: int) -> tuple[str, ...]:
        await asyncio.sleep(1000)
        return ()

    async def break_down(host: str, port: int) -> tuple[str, ...]:
        raise RuntimeError("secret detail")

    for resolve, status in ((fail, 502), (hang, 504), (break_down, 500)):
        lab = await make_lab_network("good.test", resolve=resolve, limits=ProxyLimits(connect_seconds=0.2))
        assert lab.connect_status("good.test:443") == status
        (line,) = await lab.end()
        assert line["verdict"] == "failed"
        assert "secret detail" not in json.dumps(line)


async def test_the_systems_resolver_is_asked_for_the_absolute_name(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def answer(host: str, port: int, type: int) -> list[Any]:
        asked.append((host, threading.current_thread().daemon))
        if host.startswith("gone"):
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        entry = (socket.AF_INET, type, 6, "", ("192.0.2.7", port))
        return [entry, entry, (socket.AF_INET6, type, 6, "", ("2001:db8::7", port, 0, 0))]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    assert tuple(await system_resolve("good.test", 443)) == ("192.0.2.7", "2001:db8::7")
    with pytest.raises(OSError, match="no such name"):
        await system_resolve("gone.test", 443)
    assert asked == [("good.test.", True), ("gone.test.", True)]


async def test_lookups_that_hang_are_bounded_and_hold_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def hang(host: str, port: int, type: int) -> list[Any]:
        release.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    tasks = [asyncio.create_task(system_resolve("good.test", 443)) for _ in range(100)]
    await asyncio.sleep(0)
    assert sum(thread.name == "lab-resolver" for thread in threading.enumerate()) <= 64
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert any(isinstance(result, OSError) for result in results)
    release.set()
    await eventually(lambda: all(thread.name != "lab-resolver" for thread in threading.enumerate()))
    assert await system_resolve("good.test", 443) == ()


@pytest.mark.parametrize("name", ["other.test", "api.good.test"])
async def test_another_sni_is_refused_before_anything_is_sent(
    make_lab_network: Any, listener: Any, name: str
) -> None:
    lab = await make_lab_network(f"good.test:{listener.port}", f"api.good.test:{listener.port}")
    with pytest.raises(ssl.SSLError, match="(?i)access.denied"):
        lab.tls(f"good.test:{listener.port}", name)
    (line,) = await lab.end()
    assert line["verdict"] == "refused"
    assert "SNI" in line["reason"]
    assert line["up"] == 0
    assert listener.received == []


@pytest.mark.parametrize("said", [GET, b"SSH-2.0-OpenSSH\r\n", b"\x16\x03\x01\0\5\1\0\0\1\0", b""])
async def test_what_is_not_tls_is_refused_before_anything_is_sent(
    make_lab_network: Any, listener: Any, said: bytes
) -> None:
    lab = await make_lab_network(f"good.test:{listener.port}")
    with lab.tunnel(f"good.test:{listener.port}") as connected:
        connected.sendall(said)
        connected.shutdown(socket.SHUT_WR)
        assert read_all(connected) == b"\x15\x03\x03\0\2\2\x31"
    (line,) = await lab.end()
    assert line["verdict"] == "refused"
    assert listener.received == []


async def test_no_sni_is_refused(make_lab_network: Any, listener: Any, authority: Any) -> None:
    lab = await make_lab_network(f"good.test:{listener.port}")
    context = authority.client()
    context.check_hostname = False
    with pytest.raises(ssl.SSLError):
        context.wrap_socket(lab.tunnel(f"good.test:{listener.port}"))
    (line,) = await lab.end()
    assert "no SNI" in line["reason"]
    assert listener.received == []


async def test_a_host_that_speaks_first_is_not_heard_before_the_hello(make_lab_network: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        lab = await make_lab_network(f"good.test:{server.getsockname()[1]}")
        with lab.tunnel(f"good.test:{server.getsockname()[1]}") as connected:
            accepted, _ = server.accept()
            with accepted:
                accepted.sendall(b"220 mail\r\n")
                connected.settimeout(0.3)
                with pytest.raises(TimeoutError):
                    connected.recv(10)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"\0" * 20000, 400),
        (b"CONNECT good.test:443\r\n\r\n", 400),
        (b"CONNECT good.test:443 HTTP/1.1\r\n\r\n", 400),
        (b"CONNECT good.test:443 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"CONNECT good.test HTTP/1.0\r\n\r\n", 400),
        (b"CONNECT good.test:0 HTTP/1.0\r\n\r\n", 400),
        (b"CONNECT good.test:65536 HTTP/1.0\r\n\r\n", 400),
        (b"CONNECT good.test:0443 HTTP/1.0\r\n\r\n", 400),
        (b"CONNECT good.test:443:443 HTTP/1.0\r\n\r\n", 400),
        (b"CONNECT user@good.test:443 HTTP/1.0\r\n\r\n", 400),
        (b"CONNECT http://good.test:443 HTTP/1.0\r\n\r\n", 400),
        (b"CONNECT good.test:443 HTTP/1.0 \r\n\r\n", 400),
        (b"CONNECT  good.test:443 HTTP/1.0\r\n\r\n", 400),
        (b"CONNECT good.test:443 HTTP/1.0\r\nbad header\r\n\r\n", 400),
        (b"CONNECT good.test:443 HTTP/1.0\r\nA : b\r\n\r\n", 400),
        (b"CONNECT good.test:443 HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello", 400),
        (b"CONNECT good.test:443 HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"CONNECT good.test:443 HTTP/2.0\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\nHost: good.test\r\n\r\n", 400),
        (b"GET https://good.test/ HTTP/1.1\r\nHost: good.test\r\n\r\n", 400),
        (b"GET http://good.test/ HTTP/1.1\r\nHost: good.test\r\n\r\n", 403),
        (b"GET http://127.0.0.1/ HTTP/1.1\r\nHost: good.test\r\n\r\n", 403),
        (b"CONNECT good.test:443 HTTP/1.0\r\n" + b"A: " + b"x" * 20000, 431),
        (b"CONNECT good.test:443 HTTP/1.0\r\n" + b"A: x\r\n" * 4000, 431),
        (b"CONNECT " + b"x" * 20000, 431),
    ],
)
async def test_malformed_requests_are_refused(make_lab_network: Any, data: bytes, status: int) -> None:
    lab = await make_lab_network("good.test")
    assert lab.status(data) == status
    (line,) = await lab.end()
    assert line["verdict"] == "refused"
    assert lab.asked == []


async def test_slow_requests_end_and_block_nobody(make_lab_network: Any, web: Any, clock: Any) -> None:
    lab = await make_lab_network(f"good.test:{web.port}", limits=ProxyLimits(head_seconds=1.0, connections=8))
    slow = [lab.connect() for _ in range(5)]
    for connected in slow[1:]:
        connected.sendall(b"CONNECT good")
    mute = lab.tunnel(f"good.test:{web.port}")
    mute.sendall(b"\x16\x03\x01\0\x80\x01")
    assert fetch(lab, f"good.test:{web.port}").endswith(b"hello from good.test")
    clock.go()
    for connected in slow:
        assert read_all(connected).startswith(b"HTTP/1.1 408")
    assert read_all(mute) == b""
    for connected in [*slow, mute]:
        connected.close()
    reasons = [line["reason"] for line in await lab.end(7)]
    assert sum("request was not complete in time" in reason for reason in reasons) == 5
    assert sum("ClientHello was not complete in time" in reason for reason in reasons) == 1


async def test_connections_beyond_the_limit_wait_for_their_turn(make_lab_network: Any, web: Any) -> None:
    lab = await make_lab_network(f"good.test:{web.port}", limits=ProxyLimits(connections=2))
    first, second = (lab.tls(f"good.test:{web.port}") for _ in range(2))
    waiting = lab.connect(timeout=0.3)
    waiting.sendall(f"CONNECT good.test:{web.port} HTTP/1.0\r\n\r\n".encode())
    with pytest.raises(TimeoutError):
        waiting.recv(1)
    first.close()
    waiting.settimeout(30)
    assert waiting.recv(12) == b"HTTP/1.1 200"
    waiting.close()
    second.close()


async def test_a_flood_of_connections_is_paced_and_survived(make_lab_network: Any, web: Any) -> None:
    lab = await make_lab_network(
        f"good.test:{web.port}",
        limits=ProxyLimits(connections=20, connections_per_second=200, requests=250, log_bytes=5000),
    )

    def flood() -> None:
        for number in range(300):
            with contextlib.suppress(OSError), lab.connect() as connected:
                if number % 3:
                    connected.sendall(b"x" * (number % 3 - 1) + b"\r\n")

    floods = [threading.Thread(target=flood) for _ in range(2)]
    answer = fetch(lab, f"good.test:{web.port}")
    for thread in floods:
        thread.start()
    for thread in floods:
        await asyncio.to_thread(thread.join)
    assert answer.endswith(b"hello from good.test")
    assert lab.connect_status(f"good.test:{web.port}") == 429
    usage = await lab.proxy.close()
    assert usage.requests > 250
    assert usage.unlogged > 0
    lines = lab.log.read_text().splitlines()
    assert lab.log.stat().st_size <= 5000
    assert json.loads(lines[-1]) == {"dropped": usage.unlogged}
    assert len(lines) - 1 + usage.unlogged == usage.requests


async def test_a_transfer_limit_ends_tunnels(make_lab_network: Any, web: Any) -> None:
    lab = await make_lab_network(f"good.test:{web.port}", limits=ProxyLimits(transfer_bytes=3 << 20))
    with lab.tls(f"good.test:{web.port}") as connected:
        connected.sendall(b"GET /endless HTTP/1.1\r\nHost: good.test\r\n\r\n")
        assert len(read_all(connected)) < 4 << 20
    assert lab.connect_status(f"good.test:{web.port}") == 429
    lines = await lab.end(2)
    assert "transferred" in lines[0]["reason"]
    assert (await lab.proxy.close()).bytes_down < 4 << 20


async def test_idle_connections_end(make_lab_network: Any, web: Any, clock: Any) -> None:
    lab = await make_lab_network(f"good.test:{web.port}", limits=ProxyLimits(idle_seconds=0.5))
    with lab.tls(f"good.test:{web.port}") as connected:
        clock.go()
        assert read_all(connected) == b""
    (line,) = await lab.end()
    assert "nothing moved" in line["reason"]
    assert line["verdict"] == "allowed"


async def test_a_client_that_does_not_read_ends_and_fills_no_memory(
    make_lab_network: Any, web: Any, clock: Any
) -> None:
    lab = await make_lab_network(f"good.test:{web.port}", limits=ProxyLimits(idle_seconds=1.0))
    stuck = lab.tls(f"good.test:{web.port}")
    stuck.sendall(b"GET /endless HTTP/1.1\r\nHost: good.test\r\n\r\n")
    assert fetch(lab, f"good.test:{web.port}").endswith(b"hello from good.test")
    clock.go()
    await eventually(lambda: "nothing moved" in lab.log.read_text())
    stuck.close()
    usage = await lab.proxy.close()
    assert usage.bytes_down < 2 << 20


async def test_half_open_connections_still_hear_the_host(
    make_lab_network: Any, listener: Any, authority: Any
) -> None:
    lab = await make_lab_network(f"good.test:{listener.port}")
    outgoing = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        authority.client().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="good.test").do_handshake()
    hello = outgoing.read()
    with lab.tunnel(f"good.test:{listener.port}") as connected:
        connected.sendall(hello)
        connected.shutdown(socket.SHUT_WR)
        await eventually(lambda: b"".join(listener.received) == hello)
        (host,) = listener.connections
        host.sendall(b"late answer")
        assert connected.recv(100) == b"late answer"
        host.shutdown(socket.SHUT_WR)
        assert connected.recv(100) == b""
    (line,) = await lab.end()
    assert (line["up"], line["down"], line["reason"]) == (len(hello), 11, "")


async def test_closing_ends_everything(make_lab_network: Any, web: Any) -> None:
    before = set(os.listdir("/proc/self/fd"))
    lab = await make_lab_network(f"good.test:{web.port}")
    tunnels = [lab.tls(f"good.test:{web.port}") for _ in range(3)]
    half = lab.connect()
    half.sendall(b"CONNECT")
    # Clients are taken in turn: after this one, the other was taken.
    assert lab.connect_status("other.test:443") == 403
    await lab.proxy.close()
    assert not lab.proxy.socket.exists()
    for connected in [*tunnels, half]:
        assert read_all(connected) == b""
        connected.close()
    with pytest.raises(OSError):
        lab.connect()
    assert not [thread for thread in threading.enumerate() if thread.name == "lab-network"]
    reasons = [json.loads(line)["reason"] for line in lab.log.read_text().splitlines()]
    assert reasons.count("the proxy was closed") == 4
    assert (await lab.proxy.close()).requests == 5
    await eventually(lambda: len(set(os.listdir("/proc/self/fd")) - before) <= 1)


async def test_a_client_cannot_write_lines_into_the_log(make_lab_network: Any) -> None:
    lab = await make_lab_network("good.test")
    for target in (
        b"CONNECT evil\x7f\x1b[2J:443 HTTP/1.0\r\n\r\n",
        b'CONNECT a","verdict":"allowed:443 HTTP/1.0\r\n\r\n',
        b"CONNECT " + b"a" * 5000 + b":443 HTTP/1.0\r\n\r\n",
        b"CONNECT \xe2\x80\xae.test:443 HTTP/1.0\r\n\r\n",
        b"CONNECT x.test\n{}:443 HTTP/1.0\r\n\r\n",
    ):
        lab.say(target)
    lines = await lab.end(5)
    assert len(lines) == 5
    assert {line["verdict"] for line in lines} == {"refused"}
    text = lab.log.read_bytes()
    assert all(0x20 <= byte < 0x7F or byte == 0x0A for byte in text)
    assert max(len(line) for line in text.splitlines()) < 700


async def test_the_socket_is_for_the_sandboxs_user_and_the_log_for_the_lab(make_lab_network: Any) -> None:
    lab = await make_lab_network("good.test")
    assert stat.S_IMODE(lab.proxy.socket.stat().st_mode) == 0o666
    assert stat.S_IMODE(lab.log.stat().st_mode) == 0o600


async def test_a_long_path_is_no_hindrance(tmp_path: Path, authority: Any) -> None:
    folder = tmp_path / ("d" * 120)
    folder.mkdir()
    async with Proxy(Policy.parse(["good.test"]), folder, log=tmp_path / "log") as proxy:
        assert stat.S_ISSOCK(proxy.socket.stat().st_mode)


async def test_what_cannot_be_made_is_told(tmp_path: Path) -> None:
    policy = Policy.parse(["good.test"])
    with pytest.raises(SandboxUnavailable, match="missing"):
        await Proxy(policy, tmp_path / "missing", log=tmp_path / "log").start()
    with pytest.raises(SandboxUnavailable, match="nowhere"):
        await Proxy(policy, tmp_path, log=tmp_path / "nowhere" / "log").start()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SandboxUnavailable, match="link"):
        await Proxy(policy, tmp_path, log=tmp_path / "link").start()
    assert not (tmp_path / "network.sock").exists()
    async with Proxy(policy, tmp_path, log=tmp_path / "log"):
        with pytest.raises(SandboxUnavailable):
            await Proxy(policy, tmp_path, log=tmp_path / "log").start()


async def test_a_log_that_cannot_be_written_stops_nothing_and_is_told(tmp_path: Path) -> None:
    proxy = Proxy(Policy.parse(["good.test"]), tmp_path, log=Path("/dev/full"))
    await proxy.start()
    with socket.socket(socket.AF_UNIX) as connected:
        connected.connect(str(proxy.socket))
        connected.sendall(b"CONNECT other.test:443 HTTP/1.0\r\n\r\n")
        assert read_all(connected).startswith(b"HTTP/1.1 403")
    usage = await proxy.close()
    assert (usage.requests, usage.refused, usage.unlogged) == (1, 1, 1)


async def test_it_ends_with_its_process(tmp_path: Path) -> None:
    code = (
        "import asyncio, pathlib, sys\n"
        "from lab_plugin.network import Policy, Proxy\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "async def main():\n"
        "    await Proxy(Policy.parse(['good.test']), folder, log=folder / 'log').start()\n"
        "    print('ready', flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        with socket.socket(socket.AF_UNIX) as connected:
            connected.connect(str(tmp_path / "network.sock"))
            process.kill()
            assert read_all(connected) == b""
        process.wait()
        with pytest.raises(ConnectionRefusedError), socket.socket(socket.AF_UNIX) as connected:
            connected.connect(str(tmp_path / "network.sock"))


async def test_a_busy_loop_of_the_lab_does_not_hold_up_a_program(make_lab_network: Any, web: Any) -> None:
    lab = await make_lab_network(f"good.test:{web.port}")
    # The test's own loop stands still while this blocks.
    assert fetch(lab, f"good.test:{web.port}").endswith(b"hello from good.test")
