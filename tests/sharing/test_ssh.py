"""A remote by SSH, with a key that the user's own git knows."""

import asyncio

import pytest

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.errors import RemoteError, RemoteGone
from lab_plugin.lab import Lab
from lab_plugin.sharing import probe, sync
from tests.campaign.conftest import iterate
from tests.conftest import git
from tests.sharing.conftest import Run, Shared
from tests.sharing.test_trouble import impatient, notices
from tests.sshd import Host, demanded, running_host

__all__ = ["impatient", "running_host"]

pytestmark = demanded


@pytest.fixture
def by_ssh(shared: Shared, host: Host) -> Shared:
    """Reached by the command that the user chose for this repository alone."""
    git(shared.toy.folder, "remote", "set-url", "origin", f"{host.name}:{shared.bare}")
    git(shared.toy.folder, "config", "core.sshCommand", host.command)
    return shared


async def test_a_campaign_by_ssh(
    by_ssh: Shared,
    run: Run,
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = by_ssh.toy.folder
    lab = Lab.open(here)
    host.shut_out()
    with pytest.raises(RemoteError, match="refuses.*Permission denied") as caught:
        probe(lab)
    assert "SSH key" in caught.value.remedy and not isinstance(caught.value, RemoteGone)
    host.admit()
    assert "takes a push" in probe(lab)
    lab.close()
    await by_ssh.lock()
    await run(here, 2)
    assert by_ssh.refs()["refs/lab/toy/ledger"] == git(here, "rev-parse", "refs/lab/toy/ledger")
    # A clone whose user names the command in the environment.
    there = by_ssh.clone("there")
    git(there, "remote", "set-url", "origin", f"{host.name}:{by_ssh.bare}")
    monkeypatch.setenv("GIT_SSH_COMMAND", host.command)
    assert [record.number for record in await run(there, 1)] == [3]
    assert by_ssh.numbers(there) == [1, 2, 3]


async def test_a_host_that_goes_and_comes_back(by_ssh: Shared, host: Host) -> None:
    await by_ssh.lock()
    here = by_ssh.toy.folder
    with notices() as told:
        async with open_campaign(Lab.open(here), Plan({"iterations": 4})) as campaign:
            verdicts = iterate(campaign)
            await anext(verdicts)
            host.vanish()
            await anext(verdicts)
            while not told:
                await asyncio.sleep(0.05)
            await anext(verdicts)
            host.start()
            assert [record.number async for record in verdicts] == [4]
    assert len(told) == 2 and "The campaign goes on" in told[0] and "again" in told[1]
    assert by_ssh.refs()["refs/lab/toy/ledger"] == git(here, "rev-parse", "refs/lab/toy/ledger")


async def test_a_host_that_stays_away_is_caught_up_with_later(
    by_ssh: Shared,
    host: Host,
) -> None:
    await by_ssh.lock()
    here = by_ssh.toy.folder
    with notices() as told:
        async with open_campaign(Lab.open(here), Plan({"iterations": 2})) as campaign:
            host.vanish()
            assert len([record async for record in iterate(campaign)]) == 2
    assert "`lab sync` publishes them" in told[-1]
    lab = Lab.open(here)
    with pytest.raises(RemoteGone, match="Connection refused"):
        await sync(lab)
    host.start()
    done = await sync(lab)
    assert done is not None and done.published == 4
    lab.close()
    assert by_ssh.refs()["refs/lab/toy/ledger"] == git(here, "rev-parse", "refs/lab/toy/ledger")
