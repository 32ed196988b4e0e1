"""What `deployments/compose.yaml` promises, as far as can be read from it."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from lab_plugin import __version__
from tests.up.compose import FOLDER, MissingVariable, services

SECRETS = {"LAB_PASSWORD": "p" * 24, "LAB_DATABASE_PASSWORD": "d" * 24, "LAB_REDIS_PASSWORD": "r" * 24}
OWN = ("migrate", "server", "services", "mlflow", "worker")


@pytest.mark.parametrize("missing", SECRETS)
def test_no_secret_has_a_default(missing: str) -> None:
    for given in ({**SECRETS, missing: ""}, {name: SECRETS[name] for name in SECRETS if name != missing}):
        with pytest.raises(MissingVariable, match=missing):
            services(given)


def test_every_service_is_pinned_and_kept_up() -> None:
    for name, service in services(SECRETS).items():
        image, _, tag = service["image"].rpartition(":")
        assert image and re.search(r"\d+\.\d+", tag), f"{name}: {service['image']}"
        assert service["restart"] == ("on-failure" if name == "migrate" else "unless-stopped")
        assert "no-new-privileges:true" in service["security_opt"]
        assert "healthcheck" in service or name == "migrate"
    assert {services(SECRETS)[name]["image"] for name in OWN} == {f"prefect-lab:{__version__}"}


def test_no_secret_is_an_argument_and_no_port_is_open_to_the_network() -> None:
    for name, service in services(SECRETS).items():
        command = " ".join(service.get("command", ())) + str(service.get("healthcheck"))
        assert not any(secret in command for secret in SECRETS.values()), name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name


def test_prefect_knows_every_setting() -> None:
    from prefect.settings.models.root import Settings

    # Secrets and addresses are not in what it prints.
    hidden = {"PREFECT_API_URL", "PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING"}
    known = set(Settings().to_environment_variables(include_aliases=True)) | hidden
    given = services(SECRETS)
    names = {name for service in ("server", "worker") for name in given[service]["environment"]}
    assert {name for name in names - known if name.startswith("PREFECT_")} == {
        "PREFECT_REDIS_MESSAGING_URL",
        "PREFECT_REDIS_MESSAGING_PUBLISHER_BATCH_SIZE",
        "PREFECT_REDIS_MESSAGING_PUBLISHER_PUBLISH_EVERY",
        "PREFECT_REDIS_WORKER_CLEANUP_QUEUE_URL",
    }


def test_all_that_is_mounted_or_depended_on_exists() -> None:
    document: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    for service in services(SECRETS).values():
        assert set(service.get("depends_on", ())) <= set(document["services"])
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert (FOLDER / source).exists() if source.startswith(".") else source in document["volumes"]


def test_the_image_runs_as_an_ordinary_user_and_leaves_secrets_out() -> None:
    lines = (FOLDER / "Dockerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("USER")] == ["USER lab"] == lines[-1:]
    assert "latest" not in "".join(line for line in lines if line.startswith(("ARG", "FROM")))
    copied = [word for line in lines if line.startswith("COPY") for word in line.split()[1:-1]]
    ignored = (FOLDER.parent / ".dockerignore").read_text().splitlines()
    kept = [line for line in ignored if line[0] != "#"]
    assert kept[0] == "*"
    # Each is named twice: not every builder heeds the list of what is ignored.
    assert sorted(line.removeprefix("!") for line in kept if line.startswith("!")) == sorted(copied)
    assert all((FOLDER.parent / name).exists() for name in copied)
    assert not {".", ".git", ".venv", "tests"} & set(copied)
