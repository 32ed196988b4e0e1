import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from lab_plugin.errors import LeaseHeld, RefConflict
from lab_plugin.repository import Lease, RefChange, Repository, holder

REF = "refs/lab/x/lease"
BEAT = "refs/lab/x/heartbeat"


def test_one_at_a_time(repository: Repository) -> None:
    with Lease.acquire(repository, REF, "lab run") as lease:
        with pytest.raises(LeaseHeld) as raised:
            Lease.acquire(repository, REF, "lab lock")
        assert f"process {os.getpid()}" in raised.value.message and "lab run" in raised.value.message
        assert "UTC" in raised.value.message and "stop" in raised.value.remedy
        found = holder(repository, REF)
        assert found == lease.owner
    assert holder(repository, REF) is None and repository.refs("refs/lab/x/") == {}
    lease.release()
    Lease.acquire(repository, REF, "lab run").release()


def test_heartbeats_do_not_move_what_verdicts_check(repository: Repository) -> None:
    with Lease.acquire(repository, REF, "lab run") as lease:
        beat = repository.ref(BEAT)
        lease.heartbeat()
        assert repository.ref(BEAT) != beat
        repository.update_refs([lease.fence(), RefChange("refs/lab/x/a", repository.head(), "")])


def plant(repository: Repository, lease: Lease, beat_age: float = 0.0, **changes: object) -> None:
    other = replace(lease.owner, **changes)
    blob = repository.write_blob(json.dumps(asdict(other)).encode())
    beat = repository.write_blob(json.dumps({"at": time.time() - beat_age}).encode())
    repository.update_refs([RefChange(REF, blob), RefChange(BEAT, beat)])


def test_a_lost_lease_voids_every_verdict(repository: Repository) -> None:
    lease = Lease.acquire(repository, REF, "lab run")
    lease.require()
    plant(repository, lease, host="elsewhere", boot="other", token="t")
    with pytest.raises(RefConflict):
        repository.update_refs([RefChange("refs/lab/x/a", repository.head(), ""), lease.fence()])
    assert repository.ref("refs/lab/x/a") is None
    for call in (lease.require, lease.heartbeat):
        with pytest.raises(LeaseHeld, match="elsewhere"):
            call()
    lease.release()
    assert holder(repository, REF) is not None


def test_another_machine_is_known_by_its_heartbeat(repository: Repository) -> None:
    lease = Lease.acquire(repository, REF, "lab run")
    plant(repository, lease, beat_age=100, boot="other", since=time.time() - 1000)
    with pytest.raises(LeaseHeld):
        Lease.acquire(repository, REF, "lab run")
    plant(repository, lease, beat_age=130, boot="other", since=time.time() - 1000)
    Lease.acquire(repository, REF, "lab run").release()


def test_a_process_id_that_was_given_away_again_is_no_owner(repository: Repository) -> None:
    lease = Lease.acquire(repository, REF, "lab run")
    plant(repository, lease, started=lease.owner.started - 1)
    Lease.acquire(repository, REF, "lab run").release()


CHILD = """
import sys
from pathlib import Path
from lab_plugin.repository import Lease, Repository
lease = Lease.acquire(Repository.open(Path(sys.argv[1])), "refs/lab/x/lease", "lab run")
print("held", flush=True)
sys.stdin.read()
"""


def test_a_killed_owner_is_recognised_at_once_even_unreaped(folder: Path, repository: Repository) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None and child.stdout.readline() == b"held\n"
    with pytest.raises(LeaseHeld, match=f"process {child.pid}"):
        Lease.acquire(repository, REF, "lab run")
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    Lease.acquire(repository, REF, "lab run").release()
    child.communicate()


@pytest.mark.parametrize(
    "data", [b"", b"nonsense", b"[]", b"{}", b'{"pid": "x"}', b"[" * 50_000, b"x" * 100_000, b"\xff"]
)
def test_a_damaged_lease_blocks_nobody(repository: Repository, data: bytes) -> None:
    repository.update_refs([RefChange(REF, repository.write_blob(data)), RefChange(BEAT, repository.head())])
    assert holder(repository, REF) is None
    Lease.acquire(repository, REF, "lab run").release()


def test_exactly_one_of_many_gets_it(repository: Repository) -> None:
    barrier = threading.Barrier(6)

    def attempt(_: int) -> Lease | None:
        barrier.wait()
        try:
            return Lease.acquire(repository, REF, "lab run")
        except LeaseHeld:
            return None

    with ThreadPoolExecutor(6) as threads:
        got = [lease for lease in threads.map(attempt, range(6)) if lease is not None]
    assert len(got) == 1
    got[0].require()
