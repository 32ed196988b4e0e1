"""Looking blocks up in a real Prefect API, and what is said when that cannot be done."""

from __future__ import annotations

import asyncio
import socket

import httpx
import pytest
from prefect.client.orchestration import get_client
from pydantic import SecretStr

from lab_plugin.blocks import BLOCKS, DockerSandbox, MlflowTracking, ScorerLock, look_up, register
from lab_plugin.errors import ApiError, ConfigError
from tests.blocks.conftest import At


def schemas(api: str) -> list[str]:
    answer = httpx.post(f"{api}/block_schemas/filter", json={"limit": 200}, trust_env=False)
    answer.raise_for_status()
    slugs = {block.get_block_type_slug() for block in BLOCKS}
    return sorted(each["checksum"] for each in answer.json() if each["block_type"]["slug"] in slugs)


async def _register() -> tuple[str, ...]:
    async with get_client() as client:
        return await register(client)


def test_registering_twice_changes_nothing(api: str) -> None:
    slugs = asyncio.run(_register())
    assert slugs == tuple(block.get_block_type_slug() for block in BLOCKS)
    before = schemas(api)
    assert len(before) >= len(BLOCKS)
    assert asyncio.run(_register()) == slugs
    assert schemas(api) == before


def test_settings_and_secrets_come_apart(api: str) -> None:
    asyncio.run(_register())
    DockerSandbox(image="lab:1", require=["seccomp"]).save("lookup", overwrite=True)
    MlflowTracking(
        tracking_uri="https://mlflow.example.org", username="ada", password=SecretStr("geheim-123")
    ).save("lookup", overwrite=True)
    found = look_up(["docker-sandbox/lookup", "mlflow-tracking/lookup"])
    assert found.settings == {
        "docker-sandbox/lookup": {"kind": "docker", "image": "lab:1", "require": ["seccomp"]},
        "mlflow-tracking/lookup": {"uri": "https://mlflow.example.org", "username": "ada"},
    }
    assert found.secret(("docker-sandbox/lookup", "mlflow-tracking/lookup"), "password") == "geheim-123"
    assert found.secret(("docker-sandbox/lookup",), "password") == ""
    assert "geheim" not in repr(found)


def test_all_that_is_wrong_is_told_at_once(api: str) -> None:
    asyncio.run(_register())
    DockerSandbox(image="lab:1").save("gpu-box", overwrite=True)
    block = ScorerLock(digest="ab" * 32)
    block.save("mangled", overwrite=True)
    found = httpx.get(f"{api}/block_types/slug/scorer-lock/block_documents/name/mangled", trust_env=False)
    data = {"digest": "sk-geheim-that-was-put-into-the-wrong-field", "epoch": 1}
    body = {"data": data, "merge_existing_data": False}
    url = f"{api}/block_documents/{found.json()['id']}"
    httpx.patch(url, json=body, trust_env=False).raise_for_status()
    names = ("docker-sandbox/gpu-bix", "bubblewrap-sandbox/none", "scorer-lock/mangled", "secret/mine")
    with pytest.raises(ConfigError) as caught:
        look_up(names)
    near, none, mangled, foreign = caught.value.faults
    assert near == "docker-sandbox/gpu-bix: there is no such block; did you mean docker-sandbox/gpu-box?"
    assert none.startswith("bubblewrap-sandbox/none: there is no such block; ")
    assert mangled.startswith("scorer-lock/mangled: digest: String should match pattern")
    assert foreign.startswith("secret/mine: there is no type 'secret' that a lab can name; there are bubble")
    assert "geheim" not in str(caught.value)
    assert caught.value.remedy


def test_an_api_that_does_not_know_the_type_is_told(api: str) -> None:
    asyncio.run(_register())
    found = httpx.get(f"{api}/block_types/slug/mlflow-tracking", trust_env=False).json()
    httpx.delete(f"{api}/block_types/{found['id']}", trust_env=False).raise_for_status()
    with pytest.raises(ConfigError, match=r"prefect block register -m lab_plugin\.blocks"):
        look_up(["mlflow-tracking/team"])
    asyncio.run(_register())


def test_an_api_that_is_down_is_told(at: At, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_CLIENT_MAX_RETRIES", "0")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/api"
        with at(url), pytest.raises(ApiError) as caught:
            look_up(["docker-sandbox/gpu-box"])
    assert url in caught.value.message
    assert "prefect block ls" in caught.value.remedy
