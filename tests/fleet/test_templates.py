"""The job templates of work pools, rendered by Prefect as its workers do, and held against what runs them."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any
from unittest.mock import Mock

import docker.types
import jsonschema
import pytest
from jsonschema import Draft202012Validator

KINDS = ("process", "docker", "docker-gpu", "kubernetes")
_PLACEHOLDER = re.compile(r"{{ (\w+) }}")

_TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
_TEXTS: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "string"}}
_WHOLE: dict[str, Any] = {"type": "integer", "minimum": 0}


def _exact(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(required),
        "properties": properties,
        "additionalProperties": False,
    }


_UNCONFINED = _exact(("type",), type={"enum": ["RuntimeDefault", "Unconfined", "Localhost"]})
_QUANTITIES = _exact(
    (),
    cpu={"type": "string", "pattern": r"^[0-9.]+m?$"},
    memory={"type": "string", "pattern": r"^[0-9.]+[kKMGT]i?$"},
    **{"nvidia.com/gpu": {"type": "integer", "minimum": 1}},
)
# Job of batch/v1, as far as the template goes; of Prefect's worker are two fields of the pod that Kubernetes
# does not know, and ignores.
JOB = _exact(
    ("apiVersion", "kind", "metadata", "spec"),
    apiVersion={"const": "batch/v1"},
    kind={"const": "Job"},
    metadata=_exact((), labels=_TEXTS, annotations=_TEXTS, namespace=_TEXT, generateName=_TEXT),
    spec=_exact(
        ("template",),
        backoffLimit=_WHOLE,
        ttlSecondsAfterFinished=_WHOLE,
        template=_exact(
            ("spec",),
            spec=_exact(
                ("containers", "restartPolicy"),
                parallelism={"const": 1},
                completions={"const": 1},
                restartPolicy={"enum": ["Never", "OnFailure"]},
                serviceAccountName=_TEXT,
                automountServiceAccountToken={"type": "boolean"},
                nodeSelector=_TEXTS,
                hostUsers={"type": "boolean"},
                securityContext=_exact(
                    (),
                    runAsNonRoot={"const": True},
                    runAsUser={"type": "integer", "minimum": 1},
                    runAsGroup={"type": "integer", "minimum": 1},
                    fsGroup={"type": "integer", "minimum": 1},
                    seccompProfile=_UNCONFINED,
                    appArmorProfile=_UNCONFINED,
                ),
                containers={
                    "type": "array",
                    "minItems": 1,
                    "items": _exact(
                        ("name", "image"),
                        name=_TEXT,
                        image=_TEXT,
                        imagePullPolicy={"enum": ["IfNotPresent", "Always", "Never"]},
                        args={"type": "array", "items": _TEXT},
                        env=_TEXTS,
                        securityContext=_exact(
                            (),
                            allowPrivilegeEscalation={"const": False},
                            privileged={"const": False},
                            procMount={"enum": ["Default", "Unmasked"]},
                            capabilities=_exact((), drop={"const": ["ALL"]}),
                        ),
                        resources=_exact((), requests=_QUANTITIES, limits=_QUANTITIES),
                    ),
                },
            ),
        ),
    ),
)


def template(kind: str) -> dict[str, Any]:
    text = (files("lab_plugin") / "deployments" / "pools" / f"{kind}.json").read_text()
    return dict(json.loads(text))


async def rendered(kind: str, **values: Any) -> dict[str, Any]:
    """The job configuration of a run, before a worker makes its own type of it."""
    from prefect.workers.base import BaseJobConfiguration

    class Raw(BaseJobConfiguration, extra="allow"):
        """Takes what any worker does."""

    if kind != "process":
        values = {"image": "lab-worker:1.4", **values}
    jsonschema.validate(values, template(kind)["variables"])
    made = await Raw.from_template_and_values(template(kind), values, client=Mock())
    return made.model_dump(exclude_none=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_template_is_whole(kind: str) -> None:
    said = template(kind)
    variables = said["variables"]
    Draft202012Validator.check_schema(variables)
    used = set(_PLACEHOLDER.findall(json.dumps(said["job_configuration"])))
    assert used == set(variables["properties"])
    for name, variable in variables["properties"].items():
        assert variable["title"] and variable["description"].endswith("."), name
        if "default" in variable:
            jsonschema.validate(variable["default"], variable)
    assert "latest" not in json.dumps(said)


async def test_a_process() -> None:
    from prefect.workers.process import ProcessJobConfiguration, ProcessWorker

    stock = ProcessWorker.get_default_base_job_template()
    assert template("process")["job_configuration"] == stock["job_configuration"]
    assert template("process")["variables"]["properties"].keys() == stock["variables"]["properties"].keys()
    made = ProcessJobConfiguration.model_validate(await rendered("process", working_dir="."))
    assert str(made.working_dir) == "."


async def test_a_container_holds_sandboxes_and_is_not_root() -> None:
    made = await rendered("docker", mem_limit="16g")
    assert (made["image_pull_policy"], made["mem_limit"]) == ("IfNotPresent", "16g")
    assert made["privileged"] is True
    create = made["container_create_kwargs"]
    assert create["user"] == "10001:10001"
    assert create["security_opt"] == ["no-new-privileges"]
    assert "device_requests" not in create
    assert (await rendered("docker", nested_sandboxes=False))["privileged"] is False
    for user in ("0", "root", "0:1000", ""):
        with pytest.raises(jsonschema.ValidationError):
            await rendered("docker", user=user)


async def test_a_container_with_cards() -> None:
    create = (await rendered("docker-gpu", gpus=2))["container_create_kwargs"]
    (request,) = create["device_requests"]
    said = docker.types.DeviceRequest(**request)
    assert (said.driver, said.count, said.capabilities) == ("nvidia", 2, [["gpu"]])


async def test_a_kubernetes_job() -> None:
    job = (await rendered("kubernetes"))["job_manifest"]
    job["metadata"]["generateName"] = "made-by-the-worker-"
    jsonschema.validate(job, JOB)
    pod = job["spec"]["template"]["spec"]
    assert "nvidia.com/gpu" not in pod["containers"][0]["resources"]["limits"]
    assert (pod["hostUsers"], pod["containers"][0]["securityContext"]["procMount"]) == (False, "Unmasked")
    values = {
        "gpus": 1,
        "cpu_limit": "4",
        "memory_limit": "16Gi",
        "node_selector": {"kind": "gpu"},
        "service_account_name": "lab",
    }
    job = (await rendered("kubernetes", **values))["job_manifest"]
    jsonschema.validate(job, JOB)
    assert job["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"] == {
        "cpu": "4",
        "memory": "16Gi",
        "nvidia.com/gpu": 1,
    }
    with pytest.raises(jsonschema.ValidationError):
        await rendered("kubernetes", user=0)
