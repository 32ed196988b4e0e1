import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import lab_plugin.proposers
from lab_plugin.errors import ProposerError
from lab_plugin.proposers import Setup, open_proposer


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put a distribution with entry points of our group on the path."""

    def make(distribution: str, source: str, **offers: str) -> None:
        module = f"{distribution.replace('-', '_')}_module"
        site = tmp_path / distribution
        info = site / f"{distribution.replace('-', '_')}-1.2.dist-info"
        info.mkdir(parents=True)
        (site / f"{module}.py").write_text(source)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        lines = [f"{name} = {module}:{attribute}" for name, attribute in offers.items()]
        (info / "entry_points.txt").write_text("\n".join(["[lab_plugin.proposers]", *lines]))
        monkeypatch.syspath_prepend(site)
        monkeypatch.delitem(sys.modules, module, raising=False)

    return make


GOOD = """
from lab_plugin.testing import ScriptedProposer, Step
def make(setup):
    return ScriptedProposer([Step(title=str(setup.settings["word"]))])
"""


def test_the_door_does_not_import_optuna() -> None:
    check = "import sys, lab_plugin.proposers; sys.exit('optuna' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_door_is_sorted_and_complete() -> None:
    names = lab_plugin.proposers.__all__
    assert list(names) == sorted(names, key=lambda name: (name.islower(), name))
    assert all(hasattr(lab_plugin.proposers, name) for name in names)


@pytest.mark.parametrize("name", ["random", "tpe"])
def test_built_in_names_need_no_installed_metadata(
    name: str, setup: Callable[..., Setup], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab_plugin.proposers._registry.entry_points", lambda **_: pytest.fail("scanned"))
    assert open_proposer(name, setup()).name == name


async def test_a_plug_in_is_opened_with_the_setup(
    install: Callable[..., None], setup: Callable[..., Setup], request_of: Callable
) -> None:
    install("good-ideas", GOOD, good="make")
    proposer = open_proposer("good", setup(settings={"word": "hello"}))
    assert (await proposer.ask(request_of(1))).title == "hello"


def test_a_plug_in_cannot_take_a_built_in_name(
    install: Callable[..., None], setup: Callable[..., Setup]
) -> None:
    install("greedy-ideas", GOOD, tpe="make")
    assert open_proposer("tpe", setup()).name == "tpe"


def test_an_unknown_name_lists_the_known_ones(
    install: Callable[..., None], setup: Callable[..., Setup]
) -> None:
    install("more-ideas", GOOD, bandit="make")
    with pytest.raises(ProposerError, match="bandit, command, random, tpe") as caught:
        open_proposer("tpee", setup())
    assert "'tpe'" in caught.value.remedy


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import there_is_no_such_module", "ModuleNotFoundError"),
        ("", "AttributeError"),
        ("make = 3", "TypeError"),
        ("def make(setup): return setup.nothing", "AttributeError"),
        ("def make(setup): return object()", "no proposer"),
        ("syntax error here", "SyntaxError"),
    ],
)
def test_a_broken_plug_in_names_its_distribution(
    source: str, said: str, install: Callable[..., None], setup: Callable[..., Setup]
) -> None:
    install("broken-ideas", source, broken="make")
    with pytest.raises(ProposerError, match="broken-ideas 1.2") as caught:
        open_proposer("broken", setup())
    assert said in caught.value.message


def test_a_plug_in_may_complain_about_its_settings(
    install: Callable[..., None], setup: Callable[..., Setup]
) -> None:
    source = (
        "from lab_plugin.errors import ProposerError\ndef make(setup): raise ProposerError('give a word')"
    )
    install("strict-ideas", source, strict="make")
    with pytest.raises(ProposerError, match="^give a word$"):
        open_proposer("strict", setup())


def test_two_distributions_with_one_name_are_ambiguous(
    install: Callable[..., None], setup: Callable[..., Setup]
) -> None:
    install("one-ideas", GOOD, same="make")
    install("two-ideas", GOOD, same="make")
    with pytest.raises(ProposerError, match=r"one-ideas 1\.2, two-ideas 1\.2"):
        open_proposer("same", setup())
