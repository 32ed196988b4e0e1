"""The container that a docker pool starts, in a real engine: what it grants to bubblewrap, and no more."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import docker
import pytest

from tests.fleet.test_templates import rendered
from tests.sandbox.docker_engine import NoEngine, connected, engine, give_up, make_image

IMAGE = "prefect-lab-test-pool"
INSIDE = """
cat /proc/self/status
bwrap --unshare-all --ro-bind / / --proc /proc --dev /dev --tmpfs /tmp true && echo sandboxed
"""


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        pytest.skip("bubblewrap is not installed")
    try:
        with engine() as found:
            make_image(found, IMAGE, (bwrap,))
            yield found
            with connected(found) as client:
                client.remove_image(IMAGE)
    except NoEngine as missing:
        give_up(missing)


def said_in(host: str, made: dict[str, object]) -> str:
    """What a container says that is created as Prefect's worker does."""
    create = dict(made["container_create_kwargs"])  # type: ignore[call-overload]
    create["shm_size"] = "16m"
    client = docker.DockerClient(base_url=host)
    try:
        container = client.containers.create(
            IMAGE, ["sh", "-c", INSIDE], privileged=made["privileged"], network_mode="none", **create
        )
        try:
            container.start()
            container.wait(timeout=100)
            return str(container.logs().decode())
        finally:
            container.remove(force=True)
    finally:
        client.close()


async def test_bubblewrap_works_in_it_and_its_user_has_no_capability(host: str) -> None:
    said = said_in(host, await rendered("docker", image=f"{IMAGE}:1"))
    assert said.splitlines()[-1] == "sandboxed", said
    facts = dict(line.split(":", 1) for line in said.splitlines() if ":" in line)
    assert facts["Uid"].split() == facts["Gid"].split() == ["10001"] * 4
    assert [facts[name].split() for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")] == [["0" * 16]] * 4
    assert facts["NoNewPrivs"].split() == ["1"]


async def test_without_nested_sandboxes_docker_keeps_its_own_filter(host: str) -> None:
    said = said_in(host, await rendered("docker", image=f"{IMAGE}:1", nested_sandboxes=False))
    assert "sandboxed" not in said
    facts = dict(line.split(":", 1) for line in said.splitlines() if ":" in line)
    assert (facts["Seccomp"].split(), facts["CapBnd"].split()) == (["2"], ["0" * 16])
