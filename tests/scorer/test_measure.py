"""Hashes by stat: whatever is done to a file, its digest is that of its content."""

import hashlib
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab_plugin.errors import LockError
from lab_plugin.scorer import LARGE, FileHasher

STEPS = st.lists(
    st.sampled_from(
        ["rewrite", "rewrite keeping times", "replace", "touch", "look", "new process", "cut", "garble"]
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=25, deadline=None)
@given(steps=STEPS, size=st.sampled_from([10, LARGE]))
def test_a_digest_is_always_that_of_the_content(
    steps: list[str], size: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("data")
    file, cache = folder / "data.bin", folder / "cache"
    file.write_bytes(bytes(size))
    hasher = FileHasher(cache)
    for count, step in enumerate(steps, start=1):
        before = file.stat()
        if step.startswith("rewrite"):
            with file.open("r+b") as stream:
                stream.write(b"%d" % count)
        if step == "rewrite keeping times":
            os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        elif step == "replace":
            other = folder / "other"
            other.write_bytes(file.read_bytes()[:-1] + b"%d" % (count % 10))
            os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
            os.replace(other, file)
        elif step == "touch":
            file.touch()
        elif step == "new process":
            hasher = FileHasher(cache)
        elif step in ("cut", "garble") and cache.exists():
            data = cache.read_bytes()
            cache.write_bytes(data[: len(data) // 2] if step == "cut" else data.replace(b"1", b"2"))
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        assert hasher.measure(folder, ["data.bin"]) == {"data.bin": f"100644:{content}"}


def test_a_large_file_that_is_known_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "large.bin"
    file.write_bytes(bytes(LARGE))
    clock = [file.stat().st_ctime_ns + 10_000_000_000]
    monkeypatch.setattr("lab_plugin.scorer._measure.now_ns", lambda: clock[0])
    first = FileHasher(tmp_path / "cache").measure(tmp_path, ["large.bin"])
    monkeypatch.setattr("lab_plugin.scorer._measure.os.open", lambda *given: pytest.fail("it was read again"))
    assert FileHasher(tmp_path / "cache").measure(tmp_path, ["large.bin"]) == first


def test_a_large_file_that_was_written_just_now_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "large.bin"
    file.write_bytes(bytes(LARGE))
    hasher = FileHasher(tmp_path / "cache")
    hasher.measure(tmp_path, ["large.bin"])
    opened = []
    plain = os.open
    monkeypatch.setattr(
        "lab_plugin.scorer._measure.os.open", lambda *given: opened.append(given[0]) or plain(*given)
    )
    hasher.measure(tmp_path, ["large.bin"])
    assert file in opened


def test_links_devices_and_missing_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("x")
    (tmp_path / "link").symlink_to("real")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "missing"):
        with pytest.raises(LockError, match=name):
            FileHasher().measure(tmp_path, [name])


def test_two_processes_that_save_at_once_ruin_nothing(tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / f"{number}.bin").write_bytes(bytes([number]) * LARGE)
    hashers = [FileHasher(tmp_path / "cache") for _ in range(2)]
    threads = [
        threading.Thread(target=hashers[number].measure, args=(tmp_path, [f"{number}.bin"]))
        for number in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = FileHasher(tmp_path / "cache").measure(tmp_path, ["0.bin", "1.bin"])
    assert [measured[7:] for measured in found.values()] == [
        hashlib.sha256(bytes([number]) * LARGE).hexdigest() for number in range(2)
    ]
