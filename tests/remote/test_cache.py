"""What a worker keeps of a git remote: for a week, for as long as a trial runs, and nothing of the dead."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from lab_plugin.home import Home
from lab_plugin.ledger import VerdictRecord
from lab_plugin.remote import Ended, TrialOrder, open_work
from tests.remote.conftest import Workers, work

Run = Callable[..., Awaitable[list[VerdictRecord]]]
Make = Callable[..., Path]

_DIES_IN_SCRATCH = """
import os, pathlib, signal, sys
from lab_plugin.scratch import scratch
with scratch(pathlib.Path(sys.argv[1])):
    os.kill(os.getpid(), signal.SIGKILL)
"""


class Killed(Exception):
    """In place of a kill."""


def cache_of(home: Home) -> Path:
    (folder,) = home.root.glob("remotes/*")
    return folder


def candidates(home: Home) -> set[str]:
    """The trees of the candidates that were fetched."""
    return {path.name for path in cache_of(home).glob("cache.git/refs/lab/rosenbrock/trials/*")}


def age(home: Home, days: float) -> None:
    """Have the cache be older."""
    then = time.time() - days * 86_400
    os.utime(cache_of(home) / "use.lock", (then, then))


@pytest.fixture
def worker(workers: Workers) -> Workers:
    workers.homes = workers.homes[:1]
    return workers


async def finals(run: Run, folder: Path, iterations: int, worker: Workers) -> list[VerdictRecord]:
    return [each for each in await run(folder, iterations, worker) if each.tier == "final"]


async def test_what_was_fetched_stays_for_a_week(pooled_lab: Make, run: Run, worker: Workers) -> None:
    folder, (home,) = pooled_lab(), worker.homes
    assert await finals(run, folder, 2, worker)
    first = candidates(home)
    age(home, days=6)
    assert await finals(run, folder, 4, worker)
    both = candidates(home)
    assert first < both

    age(home, days=8)
    assert all(each.value is not None for each in await finals(run, folder, 6, worker))
    third = candidates(home)
    assert third and not third & both
    assert len(list(cache_of(home).glob("snapshots/*"))) == 1
    # The week begins anew.
    assert await finals(run, folder, 8, worker)
    assert third < candidates(home)


async def test_nothing_goes_while_a_trial_runs(pooled_lab: Make, run: Run, worker: Workers) -> None:
    (home,) = worker.homes
    seen: list[set[str]] = []

    class Two(Workers):
        async def _do(self, order: TrialOrder, fate: Ended | None) -> Ended:
            async with open_work(order, home, self.told.append) as slow:
                assert slow is not None
                age(home, days=8)
                assert await work(order, home, self.told.append)
                seen.append(candidates(home))
                await slow.evaluate(await slow.execute())
            # Now none does; the order has its result.
            assert await work(order, home, self.told.append) is None
            seen.append(candidates(home))
            return Ended("done")

    assert len(await finals(run, pooled_lab(), 2, Two(worker.homes))) == 1
    assert [len(each) for each in seen] == [1, 0]


async def test_one_that_is_killed_while_it_empties_breaks_nothing(
    pooled_lab: Make, run: Run, worker: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, (home,) = pooled_lab(), worker.homes
    await run(folder, 2, worker)
    (order,) = worker.orders
    real = Path.rename
    for moves in range(3):
        age(home, days=8)
        left = [moves]

        def rename(path: Path, target: Path, left: list[int] = left) -> Path:
            if path.parent == cache_of(home):
                if not left[0]:
                    raise Killed
                left[0] -= 1
            return real(path, target)

        with monkeypatch.context() as patched:
            patched.setattr(Path, "rename", rename)
            with pytest.raises(Killed):
                await work(order, home, worker.told.append)
    assert await finals(run, folder, 4, worker)
    assert candidates(home) == {order.candidate for order in worker.orders[1:]}
    assert not list(cache_of(home).glob("gone-*"))


async def test_scratch_of_killed_trials_goes_with_the_next_one(
    pooled_lab: Make, run: Run, worker: Workers
) -> None:
    folder, (home,) = pooled_lab(), worker.homes
    await run(folder, 2, worker)
    killed = subprocess.run([sys.executable, "-c", _DIES_IN_SCRATCH, str(cache_of(home))])
    assert killed.returncode == -signal.SIGKILL
    (left,) = cache_of(home).glob("scratch-*")
    (left / "outputs").mkdir()
    assert await finals(run, folder, 4, worker)
    assert not left.exists()
