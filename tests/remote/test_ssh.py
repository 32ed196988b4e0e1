"""Trials on workers that reach the git remote by SSH."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from lab_plugin.errors import RemoteError, RemoteGone
from lab_plugin.ledger import VerdictRecord
from lab_plugin.remote import Ended, TrialOrder
from tests.conftest import git
from tests.remote.conftest import Workers, travelling, work
from tests.sshd import Host, demanded, running_host

__all__ = ["running_host"]

pytestmark = demanded

Run = Callable[..., Awaitable[list[VerdictRecord]]]


@pytest.fixture
def by_ssh(
    pooled_lab: Callable[..., Path], host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A lab with a pool, its remote on another host; of a user whose git has an SSH command for all."""
    (tmp_path / ".gitconfig").write_text(f"[core]\n\tsshCommand = {host.command}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = pooled_lab()
    settings = folder / "lab.toml"
    settings.write_text(settings.read_text().replace("../hub.git", f"{host.name}:{folder.parent}/hub.git"))
    git(folder, "commit", "-qam", "Move the remote to another host")
    return folder


async def test_candidates_and_results_travel_by_ssh(by_ssh: Path, run: Run, workers: Workers) -> None:
    assert [each.tier for each in await run(by_ssh, 2, workers) if each.value is not None][-1] == "final"
    assert {order.remote for order in workers.orders} == {f"hub:{by_ssh.parent}/hub.git"}
    assert travelling(by_ssh.parent / "hub.git") == {"kits", "scorers"} and not workers.told


async def test_a_worker_whose_key_is_refused_says_so_and_another_one_runs_the_trial(
    by_ssh: Path, run: Run, workers: Workers, host: Host
) -> None:
    told: list[RemoteError] = []

    class ShutOut(Workers):
        async def _do(self, order: TrialOrder, fate: Ended | None) -> Ended:
            if told:
                return await super()._do(order, fate)
            host.shut_out()
            with pytest.raises(RemoteError, match="refuses .*Permission denied") as caught:
                await work(order, self.homes[0], self.told.append)
            host.admit()
            told.append(caught.value)
            return Ended("refused", "one", caught.value.message)

    shut_out = ShutOut(workers.homes, online=frozenset({"one", "two"}))
    assert [each.tier for each in await run(by_ssh, 2, shut_out)][-1] == "final"
    (error,) = told
    assert "SSH key" in error.remedy and not isinstance(error, RemoteGone)
    assert any("The worker 'one' of the pool 'box' refuses trials" in line for line in shut_out.told)


async def test_a_host_that_is_gone_is_waited_for(
    by_ssh: Path, run: Run, workers: Workers, host: Host
) -> None:
    class Cut(Workers):
        async def start(self, order: TrialOrder, pool: str) -> str:
            host.vanish()
            self.coming = asyncio.create_task(self.come_back())
            return await super().start(order, pool)

        async def come_back(self) -> None:
            while not any("tried again until it answers" in told for told in self.told):
                await asyncio.sleep(0.05)
            host.start()

    cut = Cut(workers.homes)
    assert [each.tier for each in await run(by_ssh, 2, cut)][-1] == "final"
    assert any("tried again until it answers" in told for told in cut.told)
    assert "The git remote answers again." in cut.told
