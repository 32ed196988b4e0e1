"""The wheel and the sdist carry all that the checkout has, and each flow loads in every way."""

import subprocess
import sys
import tarfile
from importlib.metadata import distributions
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LOAD = """
import sys
from prefect.flows import load_flow_from_entrypoint
import lab_plugin
assert lab_plugin.__file__.startswith(sys.argv[1]), lab_plugin.__file__
for entrypoint in sys.argv[2:]:
    print(load_flow_from_entrypoint(entrypoint).name)
"""


LOAD_BLOCKS = """
import sys
from importlib.metadata import entry_points
from pathlib import Path
from prefect.plugins import load_prefect_collections
import lab_plugin
assert lab_plugin.__file__.startswith(sys.argv[1]), lab_plugin.__file__
found = load_prefect_collections()["prefect_lab"]
print(found.__name__, *(block.get_block_type_slug() for block in found.BLOCKS))
logos = Path(found.__file__).parent / "logos"
assert all((logos / f"{block.get_block_type_slug()}.svg").is_file() for block in found.BLOCKS)
"""


def install(package: Path, target: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--target", str(target), str(package)], check=True)


def load(site: Path, cwd: Path, *entrypoints: str, program: str = LOAD) -> list[str]:
    # PYTHONPATH goes before the checkout's own path file.
    done = subprocess.run(
        [sys.executable, "-c", program, str(site), *entrypoints],
        cwd=cwd,
        env={
            "PYTHONPATH": str(site),
            "PATH": "/usr/bin:/bin",
            "HOME": str(site),
            "PREFECT_HOME": str(site / "p"),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_a_package_is_whole(kind: str, tmp_path: Path) -> None:
    builder = WheelBuilder if kind == "wheel" else SdistBuilder
    (package,) = builder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    install(Path(package), site)
    for name in ("campaign", "iteration"):
        for folder in ("blocks", "flows"):
            assert not (site / folder).exists(), f"nothing in site-packages may be called {folder}"
        module = f"lab_plugin.flows.{name}"
        assert load(site, elsewhere, f"{module}:{name}", f"{module}.{name}") == [name, name]
    module, *slugs = load(site, elsewhere, program=LOAD_BLOCKS)
    assert module == "lab_plugin.blocks"
    assert len(slugs) == 6 and "docker-sandbox" in slugs
    templates = {path.name for path in (ROOT / "lab_plugin" / "scaffold" / "templates").iterdir()}
    assert {path.name for path in (site / "lab_plugin" / "scaffold" / "templates").iterdir()} >= templates
    assert (site / "lab_plugin" / "py.typed").exists()
    pools = {path.name for path in (ROOT / "deployments" / "pools").iterdir()}
    assert {path.name for path in (site / "lab_plugin" / "deployments" / "pools").iterdir()} == pools


def test_flows_load_by_path_from_a_checkout() -> None:
    names = ("campaign", "iteration")
    assert load(ROOT, ROOT, *(f"flows/{name}.py:{name}" for name in names)) == list(names)


def test_the_sdist_holds_no_leftovers(tmp_path: Path) -> None:
    (package,) = SdistBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with tarfile.open(package) as archive:
        names = archive.getnames()
    assert any(name.endswith("/flows/campaign.py") for name in names)
    assert any(name.endswith("/blocks/logos/docker-sandbox.svg") for name in names)
    assert not [name for name in names if "__pycache__" in name or "/.venv/" in name]


@pytest.mark.parametrize("version", ["3.11.0", "3.11.2", "3.12.0", "3.13.0"])
def test_every_supported_python_has_all_of_its_packages_pinned(version: str) -> None:
    pinned = {
        canonicalize_name(line.partition("==")[0]) for line in (ROOT / "constraints.txt").read_text().split()
    }
    python = {"python_version": version.rpartition(".")[0], "python_full_version": version, "extra": ""}
    lacking = {
        f"{requirement.name}, of {found.metadata['Name']}"
        for found in distributions()
        if canonicalize_name(found.metadata["Name"]) in pinned
        for requirement in map(Requirement, found.requires or ())
        if canonicalize_name(requirement.name) not in pinned
        and (requirement.marker is None or requirement.marker.evaluate(python))
    }
    assert lacking == set()
