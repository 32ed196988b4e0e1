import hashlib
import ssl
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_plugin.network import HelloGate, HelloRefused

HOST = "good.test"
RETRY = hashlib.sha256(b"HelloRetryRequest").digest()


def real_hello(name: str | None, versions: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.maximum_version = versions
    outgoing = ssl.MemoryBIO()
    connection = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()


def vector(size: int, data: bytes) -> bytes:
    return len(data).to_bytes(size, "big") + data


def name_extension(*names: bytes, kind: int = 0) -> tuple[int, bytes]:
    return 0, vector(2, b"".join(bytes([kind]) + vector(2, name) for name in names))


def message(*extensions: tuple[int, bytes]) -> bytes:
    packed = b"".join(struct.pack(">H", kind) + vector(2, data) for kind, data in extensions)
    body = b"\3\3" + bytes(32) + vector(1, b"s" * 32) + vector(2, b"\x13\x01") + vector(1, b"\0")
    body += vector(2, packed) if extensions else b""
    return b"\1" + vector(3, body)


def records(data: bytes, size: int = 1 << 14, kind: int = 22) -> bytes:
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    return b"".join(bytes([kind, 3, 1]) + vector(2, piece) for piece in pieces)


def hello(name: bytes = HOST.encode(), *more: tuple[int, bytes]) -> bytes:
    return records(message(name_extension(name), *more))


def answer(random: bytes) -> bytes:
    return records(b"\2" + vector(3, b"\3\3" + random + b"\0" * 20))


def refusal(*pieces: bytes) -> str:
    gate = HelloGate(HOST)
    with pytest.raises(HelloRefused) as caught:
        for piece in pieces:
            assert gate.from_client(piece) == b""
    return str(caught.value)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_real_hello_passes_unchanged(version: ssl.TLSVersion) -> None:
    data = real_hello(HOST, version)
    assert HelloGate(HOST).from_client(data) == data


def test_the_case_of_the_name_does_not_matter() -> None:
    assert HelloGate(HOST).from_client(hello(b"GOOD.test"))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_a_hello_in_many_records_passes_byte_by_byte(size: int) -> None:
    data = records(real_hello(HOST)[5:], size)
    gate = HelloGate(HOST)
    passed = [gate.from_client(data[index : index + 1]) for index in range(len(data))]
    assert not any(passed[:-1])
    assert passed[-1] == data


@pytest.mark.parametrize(
    "name",
    [b"other.test", b"good.test.", b"good.test\0", b"xgood.test", b"good.test.evil", b"", b"127.0.0.1"],
)
def test_another_name_is_refused(name: bytes) -> None:
    assert "another server" in refusal(hello(name))


def test_no_name_is_refused() -> None:
    assert "no SNI" in refusal(real_hello(None))
    assert "no SNI" in refusal(records(message()))
    assert "no SNI" in refusal(records(message((10, b""))))


@pytest.mark.parametrize("kind", [0xFE0D, 0xFFCE, 0xFE08])
def test_a_hidden_name_is_refused_even_with_the_right_outer_one(kind: int) -> None:
    assert "ECH" in refusal(hello(HOST.encode(), (kind, b"\0" * 40)))


def test_two_names_are_refused() -> None:
    assert "more than one" in refusal(records(message(name_extension(HOST.encode(), b"other.test"))))
    assert "repeats" in refusal(hello(HOST.encode(), name_extension(b"other.test")))
    assert "more than one" in refusal(records(message(name_extension(HOST.encode(), kind=1))))


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"SSH-2.0-x\r\n",
        b"\x80\x2e\x01\x03\x01\x00\x15",
        b"\x16\x02\x00",
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\xff\xff",
        b"\x17\x03\x03\x00\x01x",
        b"\x15\x03\x03\x00\x02\x02\x28",
        b"\x14\x03\x03\x00\x01\x01",
    ],
)
def test_what_is_not_a_handshake_is_refused_at_once(data: bytes) -> None:
    assert "does not speak TLS" in refusal(data)
    assert "does not speak TLS" in refusal(*(bytes([byte]) for byte in data))


def test_other_messages_are_refused() -> None:
    assert "not a ClientHello" in refusal(records(b"\2" + vector(3, b"x" * 50)))
    assert "not a ClientHello" in refusal(b"\x16\x03\x01\x40\x00\x10")


def test_what_follows_in_the_same_record_is_refused() -> None:
    first, second = message(name_extension(HOST.encode())), message(name_extension(b"other.test"))
    assert "something else" in refusal(records(first + second))
    assert "something else" in refusal(records(first + b"\1"))


def test_another_record_between_two_parts_is_refused() -> None:
    data = message(name_extension(HOST.encode()))
    parts = records(data[:20]) + records(b"\2\x28", kind=21) + records(data[20:])
    assert "does not speak TLS" in refusal(parts)


def test_a_hello_without_end_is_refused_before_it_fills_memory() -> None:
    assert "too long" in refusal(b"\x16\x03\x01\x40\x00\x01\xff\xff\xff" + b"x" * 16380)
    gate, sent = HelloGate(HOST), 0
    gate.from_client(records(b"\1" + (32000).to_bytes(3, "big"), 1))
    with pytest.raises(HelloRefused):
        while sent < 1 << 20:
            sent += len(gate.from_client(records(b"x" * 4000, 1))) + 1
    assert sent < 100


@pytest.mark.parametrize("cut", range(4, 80, 3))
def test_lengths_that_lie_are_refused(cut: int) -> None:
    body = message(name_extension(HOST.encode()))[4:-1]
    shorter = body[: max(1, len(body) - cut)]
    assert refusal(records(b"\1" + vector(3, shorter)))


def test_a_second_hello_waits_for_the_answer_and_has_to_name_the_host() -> None:
    spec = records(b"\1", kind=20)
    gate = HelloGate(HOST)
    assert gate.from_client(hello() + spec) == hello() + spec
    assert gate.from_client(hello(b"other.test")) == b""
    with pytest.raises(HelloRefused, match="another server"):
        gate.from_server(answer(RETRY))


def test_a_second_hello_after_the_answer_is_checked_too() -> None:
    gate = HelloGate(HOST)
    gate.from_client(hello())
    for byte in answer(RETRY):
        assert gate.from_server(bytes([byte])) == b""
    spec = records(b"\1", kind=20)
    assert gate.from_client(spec) == spec
    assert not gate.is_open
    with pytest.raises(HelloRefused, match="another server"):
        gate.from_client(hello(b"other.test"))


@pytest.mark.parametrize("step", [1, 10_000])
def test_a_right_second_hello_opens_the_gate(step: int) -> None:
    gate = HelloGate(HOST)
    gate.from_client(hello())
    assert gate.from_server(answer(RETRY)) == b""
    data = records(b"\1", kind=20) + records(message(name_extension(HOST.encode())), 9)
    passed = b"".join(gate.from_client(data[start : start + step]) for start in range(0, len(data), step))
    assert passed == data
    assert gate.is_open
    assert gate.from_client(b"anything") == b"anything"


def test_an_ordinary_answer_opens_the_gate() -> None:
    gate = HelloGate(HOST)
    gate.from_client(hello())
    held = records(b"\x10" + vector(3, b"key exchange"))
    assert gate.from_client(held) == b""
    assert gate.is_holding
    assert gate.from_server(answer(b"r" * 32)) == held
    assert gate.is_open
    assert gate.from_client(b"\x16\x03\x03anything") == b"\x16\x03\x03anything"


def test_an_alert_as_answer_opens_the_gate() -> None:
    gate = HelloGate(HOST)
    gate.from_client(hello())
    gate.from_server(records(b"\2\x28", kind=21))
    assert gate.is_open


def test_early_data_passes_before_the_answer() -> None:
    gate = HelloGate(HOST)
    early = records(b"e" * 3000, kind=23)
    assert gate.from_client(hello() + early[:100]) + gate.from_client(early[100:]) == hello() + early


def test_held_bytes_do_not_fill_memory() -> None:
    gate = HelloGate(HOST)
    gate.from_client(hello())
    with pytest.raises(HelloRefused, match="too much"):
        for _ in range(100):
            assert gate.from_client(records(b"x" * 16000)) == b""


def feed(data: bytes, cuts: list[int]) -> tuple[bytes, str]:
    gate, passed, start = HelloGate(HOST), b"", 0
    try:
        for end in [*sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]:
            passed += gate.from_client(data[start:end])
            start = end
    except HelloRefused as refused:
        return passed, str(refused)
    return passed, ""


@given(data=st.binary(max_size=400), cuts=st.lists(st.integers(0, 400), max_size=6))
def test_any_bytes_are_held_or_refused(data: bytes, cuts: list[int]) -> None:
    for start in (data, b"\x16\x03\x01" + data, b"\x16\x03\x01\0\x80\x01\0\0\x7c" + data):
        assert feed(start, cuts)[0] == b""


@given(
    extensions=st.lists(
        st.tuples(st.integers(1, 0xFDFF), st.binary(max_size=60)), max_size=6, unique_by=lambda e: e[0]
    ),
    place=st.integers(0, 6),
    name=st.sampled_from([b"good.test", b"other.test", b"GOOD.TEST", b"good.tes", b"good.test\0"]),
    size=st.integers(1, 400),
    cuts=st.lists(st.integers(0, 2000), max_size=6),
)
def test_only_the_right_name_passes_however_it_is_cut(
    extensions: list[tuple[int, bytes]], place: int, name: bytes, size: int, cuts: list[int]
) -> None:
    extensions.insert(place, name_extension(name))
    data = records(message(*extensions), size)
    passed, fault = feed(data, cuts)
    assert (passed == data) == (name.lower() == b"good.test") == (fault == "")


@given(position=st.integers(0, 10_000), value=st.integers(0, 255), cut=st.integers(0, 1000))
def test_a_changed_byte_never_lets_another_name_through(position: int, value: int, cut: int) -> None:
    data = bytearray(hello(b"other.test", (10, b"\0\2\0\x1d"), (43, b"\2\3\4")))
    data[position % len(data)] = value
    passed, _ = feed(bytes(data), [cut])
    assert passed == b""
