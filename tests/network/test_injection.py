import asyncio
import contextlib
import json
import socket
from typing import Any

import httpx
import pytest

from lab_plugin.errors import ConfigError
from lab_plugin.network import Injection, Policy, Proxy, ProxyLimits

SECRET = "sk-very-secret-4711"


def injection(port: int, **changes: Any) -> Injection:
    settings = {"host": "good.test", "header": "X-Api-Key", "value_from_env": "API_KEY", "port": port}
    return Injection(**{**settings, **changes})


async def make(make_lab_network: Any, web: Any, *more: Injection, **changes: Any) -> Any:
    rules = [f"{host}:{web.port}" for host in ("good.test", "other.test")]
    return await make_lab_network(*rules, injections=[injection(web.port), *more], **changes)


def read_all(connected: socket.socket) -> bytes:
    found = b""
    with contextlib.suppress(ConnectionError):
        while data := connected.recv(65536):
            found += data
    return found


def ask(lab: Any, method: str = "GET", path: str = "/", headers: str = "", body: bytes = b"") -> bytes:
    head = f"{method} http://good.test{path} HTTP/1.1\r\nHost: good.test\r\n{headers}\r\n"
    return lab.say(head.encode("latin-1") + body)


def nothing_leaked(lab: Any, *texts: bytes) -> None:
    for text in (lab.log.read_bytes(), *texts):
        assert SECRET.encode() not in text


async def test_the_secret_is_added_outside(make_lab_network: Any, web: Any) -> None:
    lab = await make(make_lab_network, web)
    answer = ask(lab, path="/v1?a=b%20c", headers="X-Other: 1\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(f"hello from good.test:{web.port}".encode())
    ((method, path, headers, _),) = web.seen
    assert (method, path) == ("GET", "/v1?a=b%20c")
    assert ("X-Api-Key", SECRET) in headers
    assert ("X-Other", "1") in headers
    (line,) = await lab.end()
    assert (line["kind"], line["host"], line["verdict"]) == ("request", "good.test", "allowed")
    nothing_leaked(lab, answer)


async def test_what_the_client_sends_in_its_place_is_removed(make_lab_network: Any, web: Any) -> None:
    more = injection(web.port, header="Authorization", prefix="Bearer ")
    lab = await make(make_lab_network, web, more)
    ask(
        lab,
        headers="x-api-key: mine\r\nX-API-KEY: mine\r\nX_Api_Key: mine\r\nauthorization: Basic bWluZQ==\r\n"
        "Connection: X-Api-Key, keep-alive, Authorization, X-Hop\r\nX-Hop: 1\r\nProxy-Authorization: x\r\n"
        "Host-Like: good.test\r\nTE: trailers\r\nUpgrade: h2c\r\n",
    )
    (_, _, headers, _) = web.seen[0]
    assert sorted(headers) == sorted(
        [
            ("Host", f"good.test:{web.port}"),
            ("Host-Like", "good.test"),
            ("X-Api-Key", SECRET),
            ("Authorization", f"Bearer {SECRET}"),
            ("Connection", "close"),
        ]
    )


async def test_the_host_header_of_the_client_does_not_count(make_lab_network: Any, web: Any) -> None:
    lab = await make(make_lab_network, web)
    lab.say(b"GET http://good.test/ HTTP/1.1\r\nHost: other.test\r\n\r\n")
    assert dict(web.seen[0][2])["Host"] == f"good.test:{web.port}"


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://other.test/", 403),
        ("http://good.test:8080/", 403),
        ("http://good.test:443/", 403),
        ("http://sub.good.test/", 403),
        ("http://good.test@other.test/", 400),
        ("http://other.test#@good.test/", 400),
        ("http://other.test\\@good.test/", 400),
        ("http://good.test:80:80/", 400),
        ("http://good.test/a#b", 400),
        ("http://good.test?x", 400),
        ("http:///", 400),
        ("http://127.0.0.1/", 403),
        ("http://[::1]/", 403),
        ("https://good.test/", 400),
        ("ftp://good.test/", 400),
        ("//good.test/", 400),
        ("/", 400),
        ("*", 400),
    ],
)
async def test_the_secret_goes_to_no_other_target(
    make_lab_network: Any, web: Any, target: str, status: int
) -> None:
    lab = await make(make_lab_network, web)
    assert lab.status(f"GET {target} HTTP/1.1\r\nHost: good.test\r\n\r\n".encode()) == status
    (line,) = await lab.end()
    assert line["verdict"] == "refused"
    assert web.seen == []
    assert lab.asked == []


@pytest.mark.parametrize(
    "target", ["http://GOOD.test./", "http://good.test:80/", "HTTP://good.test", "http://good.test:PORT/"]
)
async def test_other_spellings_of_the_host_are_the_host(make_lab_network: Any, web: Any, target: str) -> None:
    lab = await make(make_lab_network, web)
    target = target.replace("PORT", str(web.port))
    assert lab.status(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()) == 200


async def test_a_forbidden_host_gets_no_credential(make_lab_network: Any, web: Any) -> None:
    with pytest.raises(ConfigError, match="forbidden"):
        await make_lab_network(f"good.test:{web.port}", "!*.test", injections=[injection(web.port)])


async def test_private_addresses_are_refused_here_too(make_lab_network: Any, web: Any) -> None:
    lab = await make(make_lab_network, web, may_connect=lambda address: False)
    assert ask(lab).startswith(b"HTTP/1.1 403")
    assert web.seen == []


@pytest.mark.parametrize("case", ["another host's", "nobody's"])
async def test_a_certificate_that_is_not_the_hosts_gets_no_secret(
    make_lab_network: Any, make_web: Any, authority: Any, case: str
) -> None:
    web = make_web("other.test" if case == "another host's" else "")
    changes = {} if case == "another host's" else {"tls": None}
    lab = await make(make_lab_network, web, **changes)
    answer = ask(lab)
    assert answer.startswith(b"HTTP/1.1 502")
    assert b"certificate" in answer
    (line,) = await lab.end()
    assert line["verdict"] == "failed"
    assert web.seen == []


async def test_a_host_without_tls_gets_no_secret(make_lab_network: Any, listener: Any, clock: Any) -> None:
    lab = await make(make_lab_network, listener, limits=ProxyLimits(connect_seconds=0.5))
    asking = asyncio.create_task(asyncio.to_thread(ask, lab))
    # It is connected to, and the handshake has begun: that limit is the one that is meant.
    while not listener.received:
        await asyncio.sleep(0.01)
    clock.go()
    assert (await asking).startswith(b"HTTP/1.1 502")
    assert SECRET.encode() not in b"".join(listener.received)


@pytest.mark.parametrize(
    "request_headers",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 6\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -5\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "X: a\rY: b\r\n",
        "X: a\0b\r\n",
    ],
)
async def test_ambiguous_requests_are_refused(make_lab_network: Any, web: Any, request_headers: str) -> None:
    lab = await make(make_lab_network, web)
    answer = ask(lab, "POST", headers=request_headers, body=b"0\r\n\r\nGET / HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")
    assert web.seen == []


async def test_nothing_is_smuggled_behind_a_request(make_lab_network: Any, web: Any) -> None:
    lab = await make(make_lab_network, web)
    second = b"GET http://good.test/second HTTP/1.1\r\nHost: good.test\r\n\r\n"
    ask(lab, "POST", headers="Content-Length: 5\r\n", body=b"hello" + second)
    ask(
        lab,
        "POST",
        headers="Transfer-Encoding: chunked\r\n",
        body=b"5\r\nhello\r\n0\r\nX: trailer\r\n\r\n" + second,
    )
    ask(lab, "POST", headers="Connection: content-length\r\nContent-Length: 5\r\n", body=b"hello" + second)
    assert [(path, body) for _, path, _, body in web.seen] == [("/", b"hello")] * 3
    assert not [headers for _, _, headers, _ in web.seen if ("X", "trailer") in headers]


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "PROPFIND", "get"])
async def test_methods_that_could_show_the_secret_are_refused(
    make_lab_network: Any, web: Any, method: str
) -> None:
    lab = await make(make_lab_network, web)
    assert ask(lab, method).startswith(b"HTTP/1.1 405")
    assert web.seen == []


async def test_bodies_are_carried_both_ways(make_lab_network: Any, web: Any) -> None:
    lab = await make(make_lab_network, web)
    body = bytes(range(256)) * 4000
    answer = ask(lab, "POST", headers=f"Content-Length: {len(body)}\r\n", body=body)
    assert answer.endswith(b"\r\n\r\n" + body)
    (line,) = await lab.end()
    assert line["up"] > len(body)
    assert line["down"] > len(body)


async def test_a_client_that_waits_for_100_gets_it(make_lab_network: Any, web: Any) -> None:
    lab = await make(make_lab_network, web)
    with lab.connect() as connected:
        connected.sendall(
            b"POST http://good.test/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        )
        assert connected.recv(100).startswith(b"HTTP/1.1 100")
        connected.sendall(b"hello")
        assert read_all(connected).endswith(b"\r\n\r\nhello")


async def test_events_flow_as_they_come(make_lab_network: Any, web: Any) -> None:
    lab = await make(make_lab_network, web)
    with lab.connect() as connected:
        connected.sendall(b"GET http://good.test/events HTTP/1.1\r\nHost: x\r\n\r\n")
        seen = b""
        # The host says the next one only once it is told to.
        for number in range(3):
            while f"data: event {number}\n\n".encode() not in seen:
                data = connected.recv(65536)
                assert data
                seen += data
            assert f"event {number + 1}".encode() not in seen
            web.go_on.set()
        assert read_all(connected).endswith(b"0\r\n\r\n")
    nothing_leaked(lab, seen)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_an_answer_until_the_end_of_the_connection_is_carried(
    make_lab_network: Any, web: Any, version: str
) -> None:
    lab = await make(make_lab_network, web)
    answer = lab.say(f"GET http://good.test/until-closed HTTP/{version}\r\nHost: x\r\n\r\n".encode())
    assert b"until closed" in answer
    assert (b"Transfer-Encoding: chunked" in answer) == (version == "1.1")
    assert b"Connection: close" in answer


async def test_redirects_are_the_clients(make_lab_network: Any, web: Any) -> None:
    lab = await make(make_lab_network, web)
    answer = ask(lab, path="/moved")
    assert answer.startswith(b"HTTP/1.1 302")
    assert b"Location: https://other.test/" in answer
    assert len(web.seen) == 1


async def test_head_has_no_body(make_lab_network: Any, web: Any) -> None:
    lab = await make(make_lab_network, web)
    answer = ask(lab, "HEAD")
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"\r\n\r\n")


async def test_broken_answers_are_told_or_cut(make_lab_network: Any, web: Any) -> None:
    lab = await make(make_lab_network, web)
    assert ask(lab, path="/nonsense").startswith(b"HTTP/1.1 502")
    assert ask(lab, path="/cut").endswith(b"short")
    lines = await lab.end(2)
    assert [line["verdict"] for line in lines] == ["failed", "failed"]
    nothing_leaked(lab)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ("Content-Length: 50\r\n", b"short"),
        ("Transfer-Encoding: chunked\r\n", b"5\r\nhel"),
        ("Transfer-Encoding: chunked\r\n", b"zz\r\n"),
        ("Transfer-Encoding: chunked\r\n", b"5\r\nhelloXX"),
        ("Transfer-Encoding: chunked\r\n", b"5;" + b"x" * 70000),
    ],
)
async def test_bodies_that_lie_are_refused(
    make_lab_network: Any, web: Any, headers: str, body: bytes
) -> None:
    lab = await make(make_lab_network, web)
    with lab.connect() as connected:
        connected.sendall(f"POST http://good.test/ HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode() + body)
        connected.shutdown(socket.SHUT_WR)
        assert read_all(connected).startswith(b"HTTP/1.1 400")
    (line,) = await lab.end()
    assert line["verdict"] == "refused"
    assert web.seen == []


async def test_a_client_that_leaves_ends_its_stream(make_lab_network: Any, web: Any) -> None:
    lab = await make(make_lab_network, web)
    with lab.connect() as connected:
        connected.sendall(b"GET http://good.test/endless HTTP/1.1\r\nHost: x\r\n\r\n")
        connected.recv(1000)
    (line,) = await lab.end()
    assert line["verdict"] == "allowed"


async def test_clients_that_do_not_read_are_ended(make_lab_network: Any, web: Any) -> None:
    lab = await make(make_lab_network, web, limits=ProxyLimits(idle_seconds=0.5))
    with lab.connect() as connected:
        connected.sendall(b"GET http://good.test/endless HTTP/1.1\r\nHost: x\r\n\r\n")
        (line,) = await lab.end()
    assert "nothing moved" in line["reason"]
    assert line["down"] < 4 << 20


async def test_a_slow_stream_is_not_idle(make_lab_network: Any, web: Any, clock: Any) -> None:
    lab = await make(make_lab_network, web, limits=ProxyLimits(idle_seconds=1.5))
    with lab.connect() as connected:
        connected.sendall(b"POST http://good.test/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(8):
            connected.sendall(b"1\r\nx\r\n")
            while web.chunks <= number:
                await asyncio.sleep(0.01)
            clock.move(1.0)
        connected.sendall(b"0\r\n\r\n")
        assert read_all(connected).endswith(b"\r\n\r\nxxxxxxxx")


async def test_a_host_that_never_answers_is_told(make_lab_network: Any, web: Any) -> None:
    lab = await make(make_lab_network, web, limits=ProxyLimits(idle_seconds=0.5))
    with lab.connect() as connected:
        connected.sendall(b"POST http://good.test/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
        assert read_all(connected).startswith(b"HTTP/1.1 504")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"host": "unlisted.test"}, "no rule allows"),
        ({"host": "127.0.0.1"}, "IP address"),
        ({"host": "a b"}, "not a host name"),
        ({"port": 444}, "port 444"),
        ({"header": "Host"}, "cannot be set"),
        ({"header": "content-length"}, "cannot be set"),
        ({"header": "Transfer-Encoding"}, "cannot be set"),
        ({"header": "X Y"}, "cannot be set"),
        ({"header": "X:\r\nY"}, "cannot be set"),
        ({"header": ""}, "cannot be set"),
        ({"value_from_env": "MISSING"}, "'MISSING' is not set"),
        ({"value_from_env": "EMPTY"}, "'EMPTY' is not set"),
        ({"value_from_env": "TWO_LINES"}, "no header value"),
        ({"value_from_env": "FINAL_NEWLINE"}, "no header value"),
        ({"value_from_env": "LONG"}, "no header value"),
        ({"value_from_env": "NOT_ASCII"}, "no header value"),
        ({"prefix": "Bearer\r\n"}, "no header value"),
    ],
)
def test_credentials_that_cannot_be_used_are_told(tmp_path: Any, changes: dict[str, Any], fault: str) -> None:
    environment = {
        "API_KEY": SECRET,
        "EMPTY": "",
        "TWO_LINES": f"{SECRET}\r\nX-Other: 1",
        "FINAL_NEWLINE": f"{SECRET}\n",
        "LONG": SECRET * 1000,
        "NOT_ASCII": f"{SECRET}é",
    }
    with pytest.raises(ConfigError) as caught:
        Proxy(
            Policy.parse(["good.test:443"]),
            tmp_path,
            log=tmp_path / "log",
            injections=[injection(**{"port": 443, **changes}), injection(443, header="A B")],
            environment=environment,
        )
    assert fault in caught.value.faults[0]
    assert len(caught.value.faults) == 2
    assert SECRET not in str(caught.value)


def test_credentials_that_clash_are_told(tmp_path: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        Proxy(
            Policy.parse(["good.test", "good.test:444"]),
            tmp_path,
            log=tmp_path / "log",
            injections=[injection(443), injection(443, header="x-api-KEY"), injection(444, header="Other")],
            environment={"API_KEY": SECRET},
        )
    assert ["same header" in caught.value.faults[0], "another port" in caught.value.faults[1]] == [True, True]


async def test_httpx_streams_through_a_proxy_on_the_socket(make_lab_network: Any, web: Any) -> None:
    lab = await make(make_lab_network, web)
    transport = httpx.HTTPTransport(uds=str(lab.proxy.socket))
    # Over the socket httpx asks in origin form, which a proxy does not serve.
    with httpx.Client(transport=transport, timeout=60) as client:
        assert client.get("http://good.test/").status_code == 400
    text = json.dumps(await lab.end())
    assert SECRET not in text
