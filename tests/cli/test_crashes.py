"""`kill -9` at any moment, and Ctrl-C: nothing lost, doubled or half made, and nothing left behind."""

import ctypes
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import psutil
import pytest

from lab_plugin.lab import Lab
from lab_plugin.verification import verify_ledger
from tests.conftest import git
from tests.program import LAB, Cli, document

ITERATIONS = 10_000
"""More than there is time for: a campaign does not end before a test has done to it what it wants to."""


PR_SET_CHILD_SUBREAPER = 36
_others: set[psutil.Process] = set()


@pytest.fixture(autouse=True)
def subreaper() -> Iterator[None]:
    """Whatever outlives its parent stays below the tests, where no other program's processes are.

    But for the sandboxes that other tests of this process keep for the session.
    """
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _others.clear()
    _others.update(child for child, line in _told(psutil.Process().children()) if "local_api" not in line)
    yield
    prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def below() -> Iterator[tuple[psutil.Process, str]]:
    """The processes that this test started, and the API's, with their command lines."""
    for child in psutil.Process().children():
        if child not in _others:
            try:
                yield from _told([child, *child.children(recursive=True)])
            except psutil.NoSuchProcess:
                continue


def _told(processes: Iterable[psutil.Process]) -> Iterator[tuple[psutil.Process, str]]:
    for process in processes:
        try:
            yield process, " ".join(process.cmdline())
        except psutil.Error:
            continue


def start(folder: Path, environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [LAB, "run", "-n", str(ITERATIONS), "-j", "2", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def branches(folder: Path) -> int:
    return len(git(folder, "for-each-ref", "refs/heads/lab").splitlines())


def wait_for_ideas(folder: Path, count: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while branches(folder) <= count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def finish(cli: Cli, folder: Path) -> int:
    """Go on with the campaign, and let it end two ideas after those that it has begun; their number."""
    refs = git(folder, "for-each-ref", "--format=%(refname)", "refs/heads/lab/*/ideas/*", "refs/lab/*/open/*")
    count = max((int(ref.split("/")[-1].split("-")[0]) for ref in refs.splitlines()), default=0) + 2
    cli("run", "-n", str(count), cwd=folder)
    return count


def strays() -> list[str]:
    """Processes of sandboxes and launchers."""
    words = ("bwrap ", "candidate.py", "score.py", "sandbox/_launcher")
    return [line for _, line in below() if any(word in line for word in words)]


def assert_whole(folder: Path, environment: dict[str, str], count: int) -> None:
    os.environ["PREFECT_LAB_HOME"] = environment["PREFECT_LAB_HOME"]
    lab = Lab.open(folder)
    try:
        assert verify_ledger(lab) == []
        state = lab.ledger.state()
        assert sorted(state.ideas) == list(range(1, count + 1))
        names = git(folder, "for-each-ref", "--format=%(refname:short)", "refs/heads/lab").splitlines()
        numbers = Counter(name.split("/")[-1].split("-")[0] for name in names)
        assert all(numbers[f"{number:04d}"] == 1 for number in state.ideas)
        assert lab.repository.refs(lab.open_prefix) == {}
        assert state.champion is not None
        assert git(folder, "rev-parse", lab.best_branch) == state.champion.commit
        assert list((lab.folder / "trials").glob("*")) == []
        assert not list(lab.folder.glob("workspaces/private-*"))
    finally:
        lab.close()
    deadline = time.monotonic() + 20
    while strays() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert strays() == []


def slow(make_lab: Callable[..., Path], cli: Cli) -> Path:
    folder = make_lab()
    text = (folder / "candidate.py").read_text()
    (folder / "candidate.py").write_text(f"import time\ntime.sleep(0.2)\n{text}")
    git(folder, "commit", "-qam", "Take a moment")
    cli("lock", cwd=folder)
    return folder


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killing_the_campaign(
    seed: int, cli: Cli, make_lab: Callable[..., Path], environment: dict[str, str]
) -> None:
    folder = slow(make_lab, cli)
    moment = random.Random(seed)
    for count in (1, 5):
        process = start(folder, environment)
        wait_for_ideas(folder, count, process)
        time.sleep(moment.uniform(0, 0.5))
        process.kill()
        process.communicate()
    assert_whole(folder, environment, finish(cli, folder))


@pytest.mark.parametrize("victim", ["_launcher", "bwrap", "score.py", "local_api"])
def test_killing_what_the_campaign_stands_on(
    victim: str, cli: Cli, make_lab: Callable[..., Path], environment: dict[str, str]
) -> None:
    folder = slow(make_lab, cli)
    process = start(folder, environment)
    wait_for_ideas(folder, 2, process)
    killed = 0
    deadline = time.monotonic() + 30
    while not killed and time.monotonic() < deadline:
        for candidate, line in below():
            ours = environment["PREFECT_LAB_HOME"] in line or victim != "local_api"
            if victim in line and ours and candidate.pid != process.pid:
                try:
                    candidate.kill()
                    killed += 1
                except psutil.NoSuchProcess:
                    continue
    assert killed, f"nothing called {victim} was there to be killed"
    # Most of these are made good by the campaign itself; where it stopped, the next run goes on.
    wanted = branches(folder) + 4
    deadline = time.monotonic() + 170
    while process.poll() is None and branches(folder) < wanted:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    print(*process.communicate(timeout=170), sep="\n")
    assert_whole(folder, environment, finish(cli, folder))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_signal_ends_cleanly_and_run_goes_on(
    cli: Cli, make_lab: Callable[..., Path], environment: dict[str, str], number: int
) -> None:
    """SIGTERM is what `kill`, `systemctl stop` and `docker stop` send; Prefect has its own handler for it."""
    folder = slow(make_lab, cli)
    process = start(folder, environment)
    wait_for_ideas(folder, 3, process)
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert "`lab run` goes on with it" in output
    assert strays() == []
    status = document(cli("status", "--json", cwd=folder))
    assert status["campaign"]["budget"]["iterations"] == ITERATIONS
    assert status["running"] is None
    assert_whole(folder, environment, finish(cli, folder))


def test_sigterm_ends_a_campaign_that_waits_for_its_queue(
    cli: Cli, make_lab: Callable[..., Path], environment: dict[str, str]
) -> None:
    folder = slow(make_lab, cli)
    cli("pause", cwd=folder)
    paused = start(folder, environment)
    deadline = time.monotonic() + 120
    while document(cli("status", "--json", cwd=folder))["running"] is None:
        assert time.monotonic() < deadline and paused.poll() is None
    # It waits for the queue, and begins nothing.
    time.sleep(2)
    paused.terminate()
    _, errors = paused.communicate(timeout=60)
    assert paused.returncode == 130, errors
    cli("resume", cwd=folder)
    assert_whole(folder, environment, finish(cli, folder))


def test_a_second_campaign_is_refused(
    cli: Cli, make_lab: Callable[..., Path], environment: dict[str, str]
) -> None:
    folder = slow(make_lab, cli)
    process = start(folder, environment)
    wait_for_ideas(folder, 1, process)
    refused = cli("run", cwd=folder, code=1)
    assert str(process.pid) in refused.stderr
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
