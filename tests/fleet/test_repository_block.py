"""`lab deploy --repository lab-repository/NAME`: workers clone through a block, which keeps the token."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from lab_plugin.errors import ApiError, ConfigError, RemoteError, RemoteGone
from lab_plugin.repository import AccessToken
from tests.conftest import git
from tests.fleet.conftest import deployed
from tests.git_http import served
from tests.program import LAB

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient

    from lab_plugin.blocks import LabRepository

MakeShared = Callable[..., Path]
TOKEN, NEXT = "glpat-geheim-0001", "glpat-geheim-0002"


async def save(client: PrefectClient, name: str, **fields: object) -> LabRepository:
    from lab_plugin.blocks import LabRepository, register

    await register(client)
    block = LabRepository.model_validate(fields)
    await block.asave(name, overwrite=True, client=client)
    return block


async def pull(client: PrefectClient, name: str) -> Path:
    """What a worker does before a run of a deployment."""
    from prefect.deployments.steps.core import run_steps

    steps = (await client.read_deployment_by_name(name)).pull_steps
    assert steps is not None
    return Path((await run_steps(steps))["directory"])


async def test_a_private_repository_is_cloned_by_a_token_that_stays_in_its_block(
    client: PrefectClient,
    prefect_environment: dict[str, str],
    make_shared: MakeShared,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    home: Path,
) -> None:
    from prefect.deployments.steps.core import StepExecutionError

    # git hands what let it in to the user's helper, which would keep it.
    (tmp_path / ".gitconfig").write_text(f"[credential]\n\thelper = store --file={tmp_path / 'kept'}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = make_shared("private")
    with served(tmp_path, f"oauth2:{TOKEN}") as (root, door):
        address = f"{root}/private.git"
        with pytest.raises(RemoteError, match="credential helper"):
            await deployed(client, folder, repository=address)
        await save(client, "private", address=address, access_token=SecretStr(TOKEN), folder="labs")
        done = await deployed(client, folder, repository="lab-repository/private")
        assert (done.repository, done.branch, done.folder) == (address, "main", "labs")
        assert not (await deployed(client, folder, repository="lab-repository/private")).changed

        here = await pull(client, "campaign/private-campaign")
        assert git(here, "rev-parse", "HEAD") == git(folder, "rev-parse", "HEAD")
        # A token that was replaced in the block holds from the next run on.
        door.credential = f"oauth2:{NEXT}"
        with pytest.raises(StepExecutionError) as refused:
            await pull(client, "watchdog/private-watchdog")
        assert isinstance(refused.value.__cause__, RemoteError)
        assert "access token" in refused.value.__cause__.remedy
        with pytest.raises(RemoteError, match="refuses") as wrong:
            await deployed(client, folder, repository="lab-repository/private")
        assert "access token" in wrong.value.remedy
        await save(client, "private", address=address, access_token=SecretStr(NEXT))
        assert await pull(client, "watchdog/private-watchdog") == here
        assert not (await deployed(client, folder, repository="lab-repository/private")).changed

    told = [str(refused.value.__cause__), str(wrong.value), repr(wrong.value), repr(done)]
    for name in ("campaign/private-campaign", "digest/private-digest", "watchdog/private-watchdog"):
        deployment = (await client.read_deployment_by_name(name)).model_dump_json()
        assert "{{ prefect.blocks.lab-repository.private.access_token }}" in deployment
        told.append(deployment)
    told += [path.read_text("latin-1") for path in home.rglob("clones/**/*") if path.is_file()]
    secrets = [spelling for token in (TOKEN, NEXT) for spelling in (token, basic(token))]
    assert not [secret for secret in secrets if any(secret in text for text in told)]
    assert not (tmp_path / "kept").exists()


def basic(token: str) -> str:
    return base64.b64encode(f"oauth2:{token}".encode()).decode()


async def test_a_block_without_a_token_says_where_and_which_branch(
    client: PrefectClient, make_shared: MakeShared, tmp_path: Path
) -> None:
    folder = make_shared("open")
    git(folder, "push", "-q", "origin", "main:stable")
    git(folder, "push", "-q", "origin", "main:other")
    await save(client, "open", address=str(tmp_path / "open.git"), branch="stable")
    assert (await deployed(client, folder, repository="lab-repository/open")).branch == "stable"
    step = {"repository": str(tmp_path / "open.git"), "branch": "stable", "remote": "origin"}
    campaign = await client.read_deployment_by_name("campaign/open-campaign")
    assert campaign.pull_steps == [{"lab_plugin.fleet.clone": step}]
    done = await deployed(client, folder, repository="lab-repository/open", branch="other")
    assert done.branch == "other"


async def test_blocks_that_cannot_be(
    client: PrefectClient, make_shared: MakeShared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lab_plugin.blocks import DockerSandbox

    folder = make_shared("blockless")
    address = str(tmp_path / "blockless.git")
    await save(client, "team", address=address)
    await DockerSandbox(image="lab:1").asave("team", overwrite=True, client=client)
    for name, said in {
        "lab-repository/taem": "no such block; did you mean lab-repository/team?",
        "docker-sandbox/team": "no type 'docker-sandbox' that a lab can name; there is lab-repository",
    }.items():
        with pytest.raises(ConfigError, match=said.replace("?", r"\?")) as caught:
            await deployed(client, folder, repository=name)
        assert "under Blocks" in caught.value.remedy
    await save(client, "elsewhere", address=address, folder="experiments/labs")
    with pytest.raises(ConfigError, match='"experiments/labs" of its repository; here it lies in "labs"'):
        await deployed(client, folder, repository="lab-repository/elsewhere")
    await save(client, "by-ssh", address="git@host:team/lab.git", access_token=SecretStr(TOKEN))
    with pytest.raises(RemoteError, match="https:// address alone"):
        await deployed(client, folder, repository="lab-repository/by-ssh")
    await save(client, "gone", address=f"{address}.gone")
    with pytest.raises(RemoteGone, match="blockless.git.gone"):
        await deployed(client, folder, repository="lab-repository/gone")
    # A folder that is here is meant by its name.
    (tmp_path / "docker-sandbox").mkdir()
    (tmp_path / "blockless.git").rename(tmp_path / "docker-sandbox" / "team")
    monkeypatch.chdir(tmp_path)
    done = await deployed(client, folder, repository="docker-sandbox/team")
    assert done.repository == str(tmp_path / "docker-sandbox" / "team")


def test_a_token_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="characters that no token has"):
        AccessToken("https://host/x.git", "one\r\nX-Other: two")
    assert "geheim" not in repr(AccessToken("https://host/x.git", TOKEN))
    bitbucket = AccessToken("https://bitbucket.org/team/x.git", TOKEN).environment
    (header,) = bitbucket.values()
    assert base64.b64decode(header.rpartition(" ")[2]).decode() == f"x-token-auth:{TOKEN}"


def test_without_an_api_the_block_is_not_known(
    prefect_environment: dict[str, str], make_shared: MakeShared, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from lab_plugin.blocks import look_up_repository

    folder = make_shared("apiless")
    home = os.environ["PREFECT_LAB_HOME"]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/api"
        environment = {**prefect_environment, "PREFECT_LAB_HOME": home}
        command = [LAB, "deploy", "--json", "--repository", "lab-repository/none"]
        down = subprocess.run(
            command, cwd=folder, env={**environment, "PREFECT_API_URL": url}, capture_output=True, text=True
        )
        monkeypatch.setenv("PREFECT_CLIENT_MAX_RETRIES", "0")
        with (
            temporary_settings({PREFECT_API_URL: url}),
            pytest.raises(ApiError, match="does not tell the block"),
        ):
            look_up_repository("lab-repository/none")
    assert down.returncode == 1 and "does not answer" in down.stderr + down.stdout
    absent = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert absent.returncode == 1 and "no such block" in absent.stderr + absent.stdout
    assert "Traceback" not in down.stderr + absent.stderr
