from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lab_plugin.errors import ApiError
from lab_plugin.local_api import LocalApi, healthy, process_start


def server_pid(home: Path) -> int:
    return int(json.loads((home / "api.json").read_text())["pid"])


def servers(home: Path) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                command = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"lab_plugin.local_api" in command and str(home).encode() in command:
                found.append(int(folder.name))
    return found


def wait_for_end(pid: int, seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while process_start(pid) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_a_fresh_folder_is_migrated_and_private(migrated: Path) -> None:
    assert (migrated / "prefect.db").stat().st_size > 100_000
    assert not (migrated / "api.json").exists()
    assert (migrated / "api.log").stat().st_mode & 0o077 == 0
    # Not beside Prefect's code, where a lock would see them come.
    assert list((migrated / "ui").rglob("index.html"))


def test_two_processes_at_once_share_one_server_that_leaves_after_them(home: Path, port: int) -> None:
    program = (
        "import sys; from pathlib import Path; from lab_plugin.local_api import LocalApi\n"
        f"api = LocalApi(Path({str(home)!r}), port={port}, grace=0.5); api.start()\n"
        "print(api.wait(), flush=True); sys.stdin.readline()"
    )
    clients = [
        subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    urls = {client.stdout.readline() for client in clients if client.stdout}
    assert urls == {f"http://127.0.0.1:{port}/api\n".encode()}
    pid = server_pid(home)
    assert servers(home) == [pid]

    clients[0].kill()  # the kernel lets go of its hold; the other's remains
    clients[0].wait()
    assert not wait_for_end(pid, seconds=3)
    clients[1].kill()
    clients[1].wait()
    assert wait_for_end(pid)
    assert not (home / "api.json").exists()
    for client in clients:
        for pipe in (client.stdin, client.stdout):
            if pipe:
                pipe.close()


def test_a_killed_server_is_started_again_on_its_port(home: Path, port: int) -> None:
    with LocalApi(home, port=port) as api:
        api.start()
        url = api.wait()
        first = server_pid(home)
        api.start()
        assert server_pid(home) == first, "a second start must reuse the server"
        os.kill(first, signal.SIGKILL)
        assert wait_for_end(first)
        assert api.running() is None
        assert api.ensure() == url
        assert server_pid(home) != first


def test_after_a_server_that_left_in_order_the_next_one_is_where_it_was(home: Path, port: int) -> None:
    with LocalApi(home) as api:
        with LocalApi(home, port=port) as other:
            other.start()
            other.wait()
        url = api.wait()
        assert api.stop()
        assert not (home / "api.json").exists()
        assert api.ensure() == url


def test_another_program_on_the_port_is_left_alone(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with LocalApi(home, port=port) as api:
            api.start()
            url = api.wait()
            assert f":{port}/" not in url
            assert healthy(url, timeout=60)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"pid": "x"}',
        '{"pid": -1, "started": 1, "port": 4200, "version": ""}',
        '{"pid": 1e999, "started": 1, "port": 4200, "version": ""}',
        '{"pid": 99999999999999999999, "started": 1, "port": 4200, "version": ""}',
        '{"pid": OWN, "started": 1, "port": 4200, "version": "a process that was here before"}',
        "\udcff",
    ],
)
def test_a_stale_or_damaged_record_is_not_believed(tmp_path: Path, content: str) -> None:
    (tmp_path / "api.json").write_bytes(
        content.replace("OWN", str(os.getpid())).encode("utf-8", "surrogateescape")
    )
    assert LocalApi(tmp_path).running() is None
    assert LocalApi(tmp_path).stop() is False


def test_a_server_that_cannot_start_is_an_error_with_its_log(home: Path, port: int) -> None:
    (home / "prefect.db").write_bytes(b"no database at all" * 1000)
    for name in ("prefect.db-wal", "prefect.db-shm"):
        (home / name).unlink(missing_ok=True)
    with LocalApi(home, port=port) as api, pytest.raises(ApiError) as caught:
        api.start()
        api.wait()
    assert "file is not a database" in caught.value.message
    assert "api.log" in caught.value.remedy


def test_the_foreground_prints_its_address_and_ends_with_a_signal(home: Path, port: int) -> None:
    command = [sys.executable, "-m", "lab_plugin.local_api", "--home", str(home), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        assert process.stdout.readline() == f"Prefect UI  http://127.0.0.1:{port}\n"
        with LocalApi(home) as api:
            api.start()
            assert api.wait() == f"http://127.0.0.1:{port}/api", "a campaign uses the one in the foreground"
        process.send_signal(signal.SIGINT)
        process.wait()
        watchdog.cancel()
    assert not (home / "api.json").exists()


def test_the_foreground_keeps_a_campaigns_server_and_outlasts_it(home: Path, port: int) -> None:
    command = [sys.executable, "-m", "lab_plugin.local_api", "--home", str(home), "--port", str(port)]
    with LocalApi(home, port=port, grace=0.5) as api:
        api.start()
        url = api.wait()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        assert process.stdout is not None
        assert f"served already at {url.removesuffix('/api')};" in process.stdout.readline()
    with process:
        time.sleep(2)
        # Raises when it left: the campaign is over, and the UI is still there.
        assert LocalApi(home).wait() == url
        LocalApi(home).stop()
        assert process.stdout.readline() == f"Prefect UI  http://127.0.0.1:{port}\n"
        process.send_signal(signal.SIGINT)
        process.wait()
        watchdog.cancel()


def test_servers_that_start_at_once_never_share_a_port(tmp_path: Path, port: int) -> None:
    with LocalApi(tmp_path / "a", port=port) as one, LocalApi(tmp_path / "b", port=port) as other:
        one.start()
        other.start()
        try:
            assert one.wait() != other.wait()
        finally:
            one.stop()
            other.stop()


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ApiError, match="cannot be made"):
        LocalApi(tmp_path / "file" / "prefect")
