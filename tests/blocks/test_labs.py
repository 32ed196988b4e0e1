"""Labs that name blocks, from `lab lock` to `lab verify`, by the program and a real Prefect API."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from lab_plugin.blocks import BubblewrapSandbox, DockerSandbox, ScorerLock
from tests.conftest import git
from tests.program import Cli, document

SANDBOX = '\n[sandbox]\nblock = "bubblewrap-sandbox/{name}"\n'


def naming(make_lab: Callable[..., Path], name: str, further: str) -> Path:
    folder = make_lab(replace={'name = "rosenbrock"': f'name = "{name}"'})
    with (folder / "lab.toml").open("a") as stream:
        stream.write(further)
    git(folder, "commit", "-qam", "Name blocks")
    return folder


@pytest.fixture
def dead(environment: dict[str, str]) -> Callable[[], None]:
    """From now on the user's profile names an API that is down."""

    def die() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            environment["PREFECT_API_URL"] = f"http://127.0.0.1:{taken.getsockname()[1]}/api"

    return die


def test_a_campaign_in_the_sandbox_of_a_block(
    api: str,
    cli: Cli,
    make_lab: Callable[..., Path],
    environment: dict[str, str],
    dead: Callable[[], None],
    shared_home: Path,
    tmp_path: Path,
) -> None:
    folder = naming(make_lab, "by-block", SANDBOX.format(name="by-block"))
    told = cli("lock", cwd=folder, code=1).stderr
    assert "bubblewrap-sandbox/by-block: there is no such block" in told and "remedy" in told
    BubblewrapSandbox(require=["network_none"]).save("by-block", overwrite=True)
    cli("lock", cwd=folder)
    rules = json.loads((folder / "lab.lock").read_text())["terms"]["rules"]
    assert rules["sandbox"] == {"require": ["network_none"]}
    assert len(document(cli("run", "-n", "2", "--json", cwd=folder))["ideas"]) == 2

    # A block that changed is noticed like an edit of lab.toml.
    BubblewrapSandbox(require=["network_none", "seccomp"]).save("by-block", overwrite=True)
    refused = cli("run", "-n", "3", cwd=folder, code=1).stderr
    assert 'sandbox.require: ["network_none"] -> ["network_none", "seccomp"]' in refused
    assert "opened" in cli("lock", "--reason", "more is required", cwd=folder).stdout

    # The settings of the first epoch are in git with it: it is scored again as it was, by a machine that
    # never asked the API.
    dead()
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--mirror", str(folder), "clone.git")
    git(tmp_path, "clone", "-q", "clone.git", "clone")
    git(clone, "fetch", "-q", "origin", "+refs/heads/lab/*:refs/heads/lab/*", "+refs/lab/*:refs/lab/*")
    shutil.copy(folder / "lab.lock", clone)
    shutil.copytree(shared_home / "environments", tmp_path / "other-home" / "environments")
    environment["PREFECT_LAB_HOME"] = str(tmp_path / "other-home")
    assert document(cli("status", "--json", cwd=clone))["ideas"] == 2
    assert "equal" in cli("verify", "1", "--rerun", "--json", cwd=clone).stdout
    down = cli("run", "-n", "3", cwd=clone, code=1).stderr
    assert "does not answer" in down and "remedy" in down


def test_a_sandbox_that_is_not_there_is_told_by_lab_check(
    api: str, cli: Cli, make_lab: Callable[..., Path]
) -> None:
    further = '\n[sandbox]\nblock = "docker-sandbox/gpu-box"\nimage = "mine"\n'
    folder = naming(make_lab, "in-docker", further)
    DockerSandbox(image="no-such-image:of-the-lab").save("gpu-box", overwrite=True)
    twice = cli("check", cwd=folder, code=1).stdout
    assert 'sandbox.image: the block "docker-sandbox/gpu-box" gives it too' in twice
    (folder / "lab.toml").write_text((folder / "lab.toml").read_text().replace('image = "mine"\n', ""))
    git(folder, "commit", "-qam", "Name the image once")
    findings = {each["what"]: each for each in document(cli("check", "--json", cwd=folder, code=1))["checks"]}
    assert not findings["sandbox"]["ok"]
    assert "docker" in findings["sandbox"]["detail"].lower()


def test_a_lab_with_another_lock_than_it_must_have_is_not_run(
    api: str, cli: Cli, make_lab: Callable[..., Path]
) -> None:
    folder = naming(make_lab, "pinned", '\n[lock]\nblock = "scorer-lock/pinned"\n')
    ScorerLock(digest="ab" * 32, epoch=1).save("pinned", overwrite=True)
    locked = document(cli("lock", "--json", cwd=folder))
    assert any("scorer-lock/pinned" in warning for warning in locked["warnings"])
    refused = cli("run", "-n", "1", cwd=folder, code=1).stderr
    assert f"must have the lock {'ab' * 32} (epoch 1, by the block scorer-lock/pinned of" in refused
    assert f"has {locked['digest']} (epoch 1)" in refused
    ScorerLock(digest=locked["digest"]).save("pinned", overwrite=True)
    assert len(document(cli("run", "-n", "1", "--json", cwd=folder))["ideas"]) == 1
