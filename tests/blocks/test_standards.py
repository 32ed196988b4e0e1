"""What Prefect asks of every block, and what its servers and the UI ask of these."""

from __future__ import annotations

import subprocess
import sys
from typing import get_args

import pytest
from prefect.blocks.core import Block
from prefect.testing.standard_test_suites import BlockStandardTestSuite
from pydantic import SecretStr

from lab_plugin.blocks import BLOCKS, AnthropicModel, LabRepository, MlflowTracking, ScorerLock
from lab_plugin.blocks._described import GivesSettings
from lab_plugin.blocks._sandboxes import Guarantee
from lab_plugin.config import BLOCK_TYPES, ExpectedLock, parse
from lab_plugin.sandbox import CONTRACT_GUARANTEES, GUARANTEES
from tests.config.conftest import VALID

LIGHT = """
import sys
import prefect.blocks.core, prefect.client.orchestration
before = set(sys.modules)
import lab_plugin.blocks
print(*sorted(set(sys.modules) - before))
"""


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.__name__)
class TestStandards(BlockStandardTestSuite):
    @pytest.fixture
    def block(self) -> type[Block]:
        raise AssertionError("given by parametrize")

    def test_has_a_valid_image(self, block: type[Block]) -> None:
        """Prefect's own fetches it from the web; `tests/local_api` looks at what is served."""

    def test_every_field_is_a_plain_field_of_a_form(self, block: type[Block]) -> None:
        schema = block.model_json_schema()
        for name, field in block.model_fields.items():
            assert field.title, name
            # The UI shows a union as a choice between types, such as "string" and "null".
            assert "type" in schema["properties"][name], name
            if field.annotation is SecretStr:
                assert name in schema["secret_fields"]

    def test_an_emptied_form_is_taken(self, block: type[Block]) -> None:
        values = {
            "digest": "0" * 64,
            "tracking_uri": "https://h",
            "address": "/r",
            "model": "m",
            "api_key": "k",
        }
        required = {name: values[name] for name, field in block.model_fields.items() if field.is_required()}
        emptied = {name: None for name in block.model_fields if name not in required}
        assert block.model_validate({**required, **emptied}) == block.model_validate(required)


def test_a_server_imports_nothing_large_for_them() -> None:
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=True)
    modules = done.stdout.split()
    own = {name for name in modules if name.startswith("lab_plugin.") and name.count(".") == 1}
    light = {"blocks", "errors", "local_api", "whole_file"}
    assert own == {f"lab_plugin.{name}" for name in light}
    packages = {name.partition(".")[0] for name in modules} - {"lab_plugin"}
    assert packages <= sys.stdlib_module_names


def test_the_form_offers_every_guarantee() -> None:
    assert get_args(Guarantee) == tuple(sorted({**GUARANTEES, **CONTRACT_GUARANTEES}))


def test_lab_toml_can_name_all_that_give_settings() -> None:
    givers = {block.get_block_type_slug() for block in BLOCKS if issubclass(block, GivesSettings)}
    assert givers == {slug for types in BLOCK_TYPES.values() for slug in types}


def test_they_build_what_lab_toml_would() -> None:
    digest = "ab" * 32
    lock = ScorerLock(digest=digest, epoch=2)
    assert lock.build() == ExpectedLock(digest=digest, epoch=2)
    assert ScorerLock(digest=digest).build() == ExpectedLock(digest=digest)
    store = MlflowTracking(
        tracking_uri="https://mlflow.example.org", username="ada", password=SecretStr("geheim-123")
    ).build()
    assert (store.uri, store.username, store.password) == ("https://mlflow.example.org", "ada", "geheim-123")
    assert "geheim" not in repr(store)
    model = AnthropicModel(model="claude", api_key=SecretStr("sk-geheim"), max_tokens=7).build()
    assert (model.model, model.api_key, model.base_url, model.max_tokens) == ("claude", "sk-geheim", "", 7)
    assert "geheim" not in repr(model)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.__name__)
def test_what_a_block_gives_is_taken_by_lab_toml(block: type[Block]) -> None:
    if not issubclass(block, GivesSettings):
        pytest.skip("no table of lab.toml names it")
    filled = {
        "image": "lab:1",
        "python": "/usr/bin/python3",
        "require": ["network_none"],
        "tracking_uri": "https://h",
        "username": "ada",
        "artifact_location": "s3://b",
        "digest": "0" * 64,
        "epoch": 3,
    }
    settings = block.model_validate({name: filled.get(name) for name in block.model_fields}).settings()
    name = f"{block.get_block_type_slug()}/one"
    (table,) = [table for table, types in BLOCK_TYPES.items() if block.get_block_type_slug() in types]
    base = VALID.replace('[sandbox]\nkind = "auto"\n', "")
    config = parse(f'{base}[{table}]\nblock = "{name}"\n', blocks={name: settings})
    given = getattr(config, table).model_dump()
    # None of its settings is lost, and each means the key of that name.
    assert {key: given[key] for key in settings} == {
        key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()
    }


def test_a_repository_is_cloned_with_a_token_that_stays_in_its_block() -> None:
    block = LabRepository(
        address="https://git.example.org/lab.git",
        branch="main",
        folder="labs/digits",
        access_token=SecretStr("geheim-token"),
    )
    with pytest.raises(ValueError, match="Save the block first"):
        block.pull_steps()
    block._block_document_name = "digits"
    clone, enter = block.pull_steps()
    assert clone == {
        "prefect.deployments.steps.git_clone": {
            "id": "clone",
            "repository": "https://git.example.org/lab.git",
            "branch": "main",
            "access_token": "{{ prefect.blocks.lab-repository.digits.access_token }}",
        }
    }
    directory = {"directory": "{{ clone.directory }}/labs/digits"}
    assert enter == {"prefect.deployments.steps.set_working_directory": directory}
    (plain, _) = LabRepository(address="/srv/lab.git").pull_steps()
    assert list(plain.values()) == [{"id": "clone", "repository": "/srv/lab.git"}]
