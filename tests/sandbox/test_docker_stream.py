"""What comes out of a container is taken in pieces of any size, and never for more than it may be."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from lab_plugin.sandbox import Job, Limits
from lab_plugin.sandbox._docker._destination import Malformed
from lab_plugin.sandbox._docker._receiver import Receiver
from lab_plugin.sandbox._docker.inside import frames
from lab_plugin.sandbox._docker.inside.setup import Setup, decode

LIMITS = Limits(wall_seconds=1, log_bytes=64, file_bytes=100, disk_bytes=150)
REPORT = frames.pack([b"", b"0", b"", b"5", b"7", b"", b"0", b"0", b"0", b"3", b"0"])


def job(folder: str) -> Job:
    path = Path(folder)
    return Job(
        name="j", role="candidate", command=("x",), workspace=path, destination=path, limits=LIMITS,
        outputs=("deep/a", "b", "c"),
    )  # fmt: skip


def stream(*parts: bytes) -> bytes:
    data = b"".join(parts)
    return b"\1\0\0\0" + len(data).to_bytes(4, "big") + data


WHOLE = [
    stream(frames.frame(frames.HELLO), frames.frame(frames.OUT, b"said")),
    b"\2\0\0\0\0\0\0\4oops",
    stream(frames.frame(frames.ERROR, b"warned"), frames.frame(frames.REPORT, REPORT)),
    stream(
        frames.frame(frames.FILE, frames.pack([b"0", b"5"])),
        frames.frame(frames.DATA, b"12"),
        frames.frame(frames.DATA, b"345"),
        frames.frame(frames.REFUSED, frames.pack([b"1", b"a\x1b[2Jlink\n"])),
        frames.frame(frames.FILE, frames.pack([b"2", b"0"])),
        frames.frame(frames.END),
    ),
]


@given(cuts=st.lists(st.integers(0, sum(map(len, WHOLE)))))
@settings(max_examples=60)
def test_a_stream_in_pieces_of_any_size(cuts: list[int]) -> None:
    data = b"".join(WHOLE)
    with tempfile.TemporaryDirectory() as folder:
        receiver = Receiver(job(folder))
        edges = [0, *sorted(cuts), len(data)]
        for start, end in zip(edges, edges[1:], strict=False):
            receiver.feed(data[start:end])
        receiver.close()
        assert receiver.ended
        assert receiver.said == "oops"
        assert Path(folder, "stdout.log").read_text() == "said\n[3 bytes more were dropped]\n"
        assert Path(folder, "stderr.log").read_text() == "warned"
        taken = {name: path.read_bytes() for name, path in receiver.outputs.taken.items()}
        assert taken == {"deep/a": b"12345", "c": b""}
        assert receiver.outputs.refused == {"b": "a [2Jlink "}


KINDS = [bytes((code,)) for code in b"HBOERXFDZSK?"]
FIELDS = st.lists(
    st.sampled_from([b"", b"0", b"1", b"2", b"5", b"99", b"-1", b"1e3", b"9" * 30]), max_size=12
)
FRAMES = st.tuples(
    st.sampled_from(KINDS), st.one_of(st.binary(max_size=80), FIELDS.map(frames.pack), st.just(REPORT))
)


@given(parts=st.lists(FRAMES, max_size=12), noise=st.binary(max_size=20))
@settings(max_examples=150)
def test_whatever_comes_stays_within_its_limits(parts: list[tuple[bytes, bytes]], noise: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        receiver = Receiver(job(folder))
        with suppress(Malformed):
            for kind, payload in parts:
                receiver.feed(stream(frames.frame(kind, payload)))
            receiver.feed(noise)
        receiver.close()
        kept = {
            path.relative_to(folder).as_posix(): path for path in Path(folder).rglob("*") if path.is_file()
        }
        assert set(kept) <= {"stdout.log", "stderr.log", "outputs/deep/a", "outputs/b", "outputs/c"}
        assert all(path.stat().st_size <= 100 for name, path in kept.items() if "outputs" in name)
        assert set(receiver.outputs.taken) | set(receiver.outputs.refused) == {"deep/a", "b", "c"}
        for name, path in receiver.outputs.taken.items():
            assert kept[f"outputs/{name}"] == path


def test_an_output_that_stops_in_the_middle_is_lost() -> None:
    with tempfile.TemporaryDirectory() as folder:
        receiver = Receiver(replace(job(folder), outputs=("a", "b")))
        receiver.feed(WHOLE[0] + WHOLE[2])
        receiver.feed(
            stream(frames.frame(frames.FILE, frames.pack([b"0", b"5"])), frames.frame(frames.DATA, b"1"))
        )
        receiver.close()
        assert receiver.outputs.taken == {}
        assert receiver.outputs.refused == dict.fromkeys(("a", "b"), "lost with its container")
        assert not Path(folder, "outputs", "a").exists()


@given(
    texts=st.lists(st.binary(max_size=20), max_size=4),
    numbers=st.lists(st.integers(0, 2**63), min_size=5, max_size=5),
    shown=st.lists(st.tuples(st.text("/é ", max_size=9), st.integers(0, 2**64), st.integers(0, 2**64))),
)
def test_a_setup_arrives_as_it_was_sent(
    texts: list[bytes], numbers: list[int], shown: list[tuple[str, int, int]]
) -> None:
    sent = Setup(texts, texts, b"/x", texts, texts, numbers, shown)
    assert vars(decode(sent.encode())) == vars(sent)
