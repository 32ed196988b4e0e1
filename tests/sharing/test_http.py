"""A remote by HTTP, with a password that git's own credential helper knows."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab_plugin.errors import RemoteError
from lab_plugin.lab import Lab
from lab_plugin.sharing import probe, standing
from tests.conftest import git
from tests.git_http import served
from tests.sharing.conftest import Run, Shared

PASSWORD = "hunter2"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with served(tmp_path, f"ada:{PASSWORD}") as (root, _):
        yield f"{root}/remote.git"


async def test_a_campaign_by_http(
    shared: Shared, run: Run, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(shared.bare, "config", "http.receivepack", "true")
    here = shared.toy.folder
    git(here, "remote", "set-url", "origin", address)
    monkeypatch.setenv("HOME", str(tmp_path))
    lab = Lab.open(here)
    with pytest.raises(RemoteError) as caught:
        probe(lab)
    assert (
        "credential helper" in caught.value.remedy
        and "401" in caught.value.message
        or "Username" in str(caught.value)
    )
    (tmp_path / "password").write_text(f"{address.replace('//', f'//ada:{PASSWORD}@')}\n")
    helper = f"[credential]\n\thelper = store --file={tmp_path / 'password'}\n\tuseHttpPath = true\n"
    (tmp_path / ".gitconfig").write_text(helper)
    assert "takes a push" in probe(lab)
    lab.close()
    from tests.campaign.conftest import lock

    await lock(here)
    await run(here, 2)
    assert shared.refs()["refs/lab/toy/ledger"] == git(here, "rev-parse", "refs/lab/toy/ledger")
    lab = Lab.open(here)
    found = standing(lab)
    assert found is not None and found.remote == address and PASSWORD not in found.sentence
    lab.close()
