"""Which image programs run in: found by name, pinned by its digest, built without a registry."""

from pathlib import Path

import pytest

from lab_plugin.errors import SandboxError, SandboxUnavailable
from lab_plugin.sandbox import DockerSandbox, build_image, image_of, open_sandbox
from lab_plugin.sandbox._docker._image import SHIPPED
from tests.sandbox import docker_engine


@pytest.fixture
def made(engine):
    """Names of images that are removed after the test."""
    names = []
    yield names
    with docker_engine.connected(engine) as client:
        for name in names:
            client.remove_image(name, force=True)


@pytest.fixture
def dockerfile(tmp_path):
    folder = tmp_path / "image"
    folder.mkdir()
    (folder / "rows.csv").write_text("1,2")
    file = folder / "Dockerfile"
    file.write_text(f"FROM {docker_engine.IMAGE}\nCOPY rows.csv /rows.csv\nENV ABOUT=own\n")
    return file


@pytest.mark.parametrize(
    ("wishes", "remedy"),
    [
        ({"image": "no-such-image:1"}, "docker pull no-such-image:1"),
        ({"image": "sha256:" + "0" * 64}, "docker load"),
        ({}, "images/Dockerfile"),
    ],
)
def test_an_image_that_the_engine_has_not(engine, wishes, remedy):
    with pytest.raises(SandboxUnavailable, match="has no image") as caught:
        DockerSandbox(**wishes)
    assert remedy in caught.value.remedy


async def test_a_labs_own_image_is_built_once_and_named_after_its_content(engine, made, dockerfile, bench):
    with pytest.raises(SandboxUnavailable, match="has no image") as caught:
        DockerSandbox(dockerfile=dockerfile)
    assert str(dockerfile) in caught.value.remedy
    image = build_image(dockerfile)
    made.append(image.name)
    assert build_image(dockerfile) == image
    assert image_of(dockerfile=dockerfile) == image.identity
    sandbox = DockerSandbox(dockerfile=dockerfile)
    code = "import os; print(open('/rows.csv').read(), os.environ['ABOUT'])"
    assert (await sandbox.run(bench.python(code))).stdout.read_text() == "1,2 own\n"
    await sandbox.close()
    (dockerfile.parent / "rows.csv").write_text("3,4")
    with pytest.raises(SandboxUnavailable, match="has no image"):
        DockerSandbox(dockerfile=dockerfile)
    (dockerfile.parent / ".dockerignore").write_text("*.csv\n")
    with pytest.raises(SandboxError, match="cannot be built:") as caught:
        build_image(dockerfile)
    assert "rows.csv" in caught.value.message
    with pytest.raises(SandboxError, match="Give one"):
        DockerSandbox(dockerfile=dockerfile, image=docker_engine.IMAGE)


async def test_auto_is_docker_where_there_is_no_bubblewrap(engine, made, bench, monkeypatch, tmp_path):
    with docker_engine.connected(engine) as client:
        if client.images("prefect-lab-candidate"):
            pytest.skip("this engine has a user's image")
        client.tag(docker_engine.IMAGE, "prefect-lab-candidate")
    made.append("prefect-lab-candidate")
    assert image_of() is None
    monkeypatch.setenv("PATH", str(tmp_path))
    sandbox = open_sandbox("auto")
    assert (await sandbox.run(bench.python("pass"))).sandbox == "docker"
    assert image_of() == sandbox.image_id
    await sandbox.close()


async def test_a_name_that_moves_does_not_move_the_sandbox(engine, made, bench):
    with docker_engine.connected(engine) as client:
        client.tag(docker_engine.IMAGE, "lab-moving", "1")
        made.append("lab-moving:1")
        sandbox = DockerSandbox(image="lab-moving:1")
        list(client.build(path=_folder(bench, "ENV MOVED=1"), tag="lab-moving:1", rm=True))
    assert sandbox.image_id != image_of("docker", image="lab-moving:1")
    execution = await sandbox.run(bench.python("import os; print('MOVED' in os.environ)"))
    assert execution.stdout.read_text() == "False\n"
    by_digest = DockerSandbox(image=sandbox.image_id)
    assert by_digest.image_id == sandbox.image_id
    await sandbox.close()
    await by_digest.close()


async def test_an_image_that_no_limit_would_hold_is_refused(engine, made, bench):
    with docker_engine.connected(engine) as client:
        list(client.build(path=_folder(bench, "VOLUME /data"), tag="lab-volume:1", rm=True))
    made.append("lab-volume:1")
    with pytest.raises(SandboxError, match="declares the volume /data"):
        DockerSandbox(image="lab-volume:1")


async def test_an_image_without_python_is_named(engine, made, bench):
    with docker_engine.connected(engine) as client:
        list(client.build(path=_folder(bench, 'ENV PATH="/bin"'), tag="lab-bare:1", rm=True))
    made.append("lab-bare:1")
    sandbox = DockerSandbox(image="lab-bare:1")
    with pytest.raises(SandboxError, match="python") as caught:
        await sandbox.run(bench.python("pass"))
    assert "must have Python" in caught.value.remedy
    await sandbox.close()


async def test_python_means_the_images_own(engine, docker_sandbox, bench):
    code = "import shutil, sys; print(shutil.which('python')); print(sys.executable)"
    found, itself = (await docker_sandbox.run(bench.python(code))).stdout.read_text().split()
    assert Path(found).resolve() == Path(itself).resolve()
    chosen = DockerSandbox(image=docker_engine.IMAGE, python=Path(itself))
    assert (await chosen.run(bench.job(itself, "-c", "pass"))).status == "ok"
    await chosen.close()


async def test_the_shipped_dockerfile_makes_an_image_without_a_registry(engine, made, bench):
    with docker_engine.connected(engine) as client:
        said = client.build(
            path=str(SHIPPED.parent),
            tag="lab-shipped:1",
            buildargs={"BASE": docker_engine.IMAGE},
            network_mode="none",
            rm=True,
            decode=True,
        )
        assert not [line for line in said if "error" in line]
    made.append("lab-shipped:1")
    sandbox = DockerSandbox(image="lab-shipped:1")
    await sandbox.probe()
    code = "import json, pwd, os; print(pwd.getpwuid(os.getuid()).pw_name, os.path.exists(json.__cached__))"
    assert (await sandbox.run(bench.python(code))).stdout.read_text() == "candidate True\n"
    await sandbox.close()


def _folder(bench, *lines: str) -> str:
    folder = bench.folder / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text("\n".join((f"FROM {docker_engine.IMAGE}", *lines)))
    return str(folder)
