from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lab_plugin.config import check_committed, load
from lab_plugin.errors import LabError
from lab_plugin.scaffold import Answers, scaffold

ANSWERS = Answers(name="mine")
ALL = ["scorer/score.py", "PROGRAM.md", "train.py", "params.json", "lab.toml"]


def files_of(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def run(folder: Path, script: str, environment: dict[str, str]) -> None:
    command = [sys.executable, "-I", "-S", script]
    subprocess.run(command, cwd=folder, env={"PATH": os.environ["PATH"], **environment}, check=True)


def score(folder: Path, params: dict[str, float]) -> dict[str, float]:
    """Runs the written candidate and scorer as a lab does, with the standard library only."""
    outputs = folder / "out"
    outputs.mkdir(exist_ok=True)
    (folder / "point.json").write_text(json.dumps(params))
    names = {"LAB_OUTPUTS": str(outputs), "LAB_SEED": "0"}
    run(folder, "train.py", {**names, "LAB_PARAMS": str(folder / "point.json")})
    run(folder, "scorer/score.py", {**names, "LAB_SCORECARD": str(folder / "card.json")})
    card = json.loads((folder / "card.json").read_text())
    assert isinstance(card["feedback"], str)
    assert {sample["id"] for sample in card["samples"]} == {str(index) for index in range(50)}
    return card["metrics"]


class File:
    mode = 0o100644


def test_writes_a_lab_that_loads_and_fits_its_files(tmp_path: Path) -> None:
    written = scaffold(tmp_path, ANSWERS)
    assert written == [tmp_path / name for name in ALL]
    config = load(tmp_path / "lab.toml")
    check_committed(config, {name: File() for name in ALL})
    assert (config.lab.name, config.strategy.name, config.scorer.metric) == ("mine", "random", "score")


@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_what_is_written_runs_and_can_be_improved_by_its_search_space(tmp_path: Path, goal: str) -> None:
    scaffold(tmp_path, replace(ANSWERS, goal=goal, metric="my metric"))
    config = load(tmp_path / "lab.toml")
    baseline = json.loads((tmp_path / "params.json").read_text())
    assert config.search_space is not None
    for name, value in baseline.items():
        range_ = config.search_space.parameters[name]
        assert range_.low <= value <= range_.high  # type: ignore[union-attr]
    before, after = (
        score(tmp_path, params)["my metric"] for params in (baseline, {"width": 0.2, "ridge": 0.1})
    )
    assert after > before if goal == "maximize" else after < before


@pytest.mark.parametrize(
    "predictions",
    [
        "[1, 2]",
        "{}",
        '["a"]',
        "[" + "null," * 49 + "null]",
        "[" + "NaN," * 49 + "1]",
        "[" + "true," * 49 + "true]",
    ],
)
def test_the_written_scorer_refuses_bad_outputs(tmp_path: Path, predictions: str) -> None:
    scaffold(tmp_path, ANSWERS)
    (tmp_path / "predictions.json").write_text(predictions)
    environment = {
        "LAB_OUTPUTS": str(tmp_path),
        "LAB_SCORECARD": str(tmp_path / "card.json"),
        "LAB_SEED": "0",
    }
    with pytest.raises(subprocess.CalledProcessError):
        run(tmp_path, "scorer/score.py", environment)
    assert not (tmp_path / "card.json").exists()


def test_commented_examples_are_keys_that_exist(tmp_path: Path) -> None:
    scaffold(tmp_path, ANSWERS)
    text = (tmp_path / "lab.toml").read_text()
    head, _, strategy = text.partition('# For name = "command":')
    lines = (head + strategy[strategy.index("[search_space]") :]).splitlines()
    shown = [line.removeprefix("# ") if " = " in line or line.startswith("# [") else line for line in lines]
    (tmp_path / "lab.toml").write_text(
        "\n".join(shown)
        .replace('width  = { type = "int"', 'size = { type = "int"')
        .replace('key = "model"', 'key = "a"')
    )
    config = load(tmp_path / "lab.toml")
    assert config.budget.plateau == 30
    assert config.candidate.data == "data"


def test_a_candidate_of_ones_own_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/solve.py").write_text("mine")
    answers = ANSWERS.with_changes({"candidate": "src/solve.py"})
    assert answers.command == "python src/solve.py"
    written = scaffold(tmp_path, answers)
    assert (tmp_path / "src/solve.py").read_text() == "mine"
    assert tmp_path / "train.py" not in written
    assert load(tmp_path / "lab.toml").candidate.paths == ("src/solve.py", "params.json")


def test_the_search_space_is_laid_around_parameters_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "train.py").touch()
    values = {
        "lr": 0.01,
        "n": 64,
        "shift": -0.5,
        "zero": 0,
        "warm": True,
        "kind": 'a"\\\n',
        "file": 1,
        "list": [1],
    }
    (tmp_path / "params.json").write_text(json.dumps(values))
    assert tmp_path / "params.json" not in scaffold(tmp_path, ANSWERS)
    space = load(tmp_path / "lab.toml").search_space
    assert space is not None
    assert list(space.parameters) == ["lr", "n", "shift", "zero", "warm", "kind"]
    assert json.loads((tmp_path / "params.json").read_text()) == values


@pytest.mark.parametrize("content", ["[]", "{", "{}", '{"a": [1]}', '{"a": NaN}'])
def test_parameters_that_cannot_be_used_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "train.py").touch()
    (tmp_path / "params.json").write_text(content)
    with pytest.raises(LabError, match=r"params\.json"):
        scaffold(tmp_path, ANSWERS)
    assert files_of(tmp_path) == ["params.json", "train.py"]


def test_lists_everything_that_is_in_the_way_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text("mine")
    (tmp_path / "PROGRAM.md").symlink_to("nowhere")
    (tmp_path / "params.json").mkdir()
    with pytest.raises(LabError) as caught:
        scaffold(tmp_path, ANSWERS)
    for name in ("lab.toml", "PROGRAM.md", "params.json"):
        assert f"{name}: exists already" in str(caught.value)
    assert files_of(tmp_path) == ["PROGRAM.md", "lab.toml", "params.json"]
    assert (tmp_path / "lab.toml").read_text() == "mine"


@pytest.mark.parametrize("way", ["file", "link"])
def test_a_scorer_folder_that_is_none_is_refused(tmp_path: Path, way: str) -> None:
    lab = tmp_path / "lab"
    lab.mkdir()
    (tmp_path / "elsewhere").mkdir()
    if way == "file":
        (lab / "scorer").touch()
    else:
        (lab / "scorer").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LabError):
        scaffold(lab, ANSWERS)
    assert files_of(tmp_path) == ["elsewhere", "lab", "lab/scorer"]


def test_a_failure_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    answers = ANSWERS.with_changes({"candidate": "deep/er/train.py"})
    (tmp_path / "deep").write_text("a file, so that the candidate cannot be written")
    with pytest.raises(LabError, match="Nothing was written"):
        scaffold(tmp_path, answers)
    assert files_of(tmp_path) == ["deep"]


def test_a_folder_is_needed(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="is no folder"):
        scaffold(tmp_path / "gone", ANSWERS)


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("Digits", "digits"),
        ("My Lab!!", "my-lab"),
        ("___", "lab"),
        ("\u00e9t\u00e9", "t"),
        ("a" * 60, "a" * 40),
        ("", "lab"),
    ],
)
def test_the_default_name_comes_from_the_folder(folder: str, name: str) -> None:
    assert Answers.for_folder(Path("/x") / folder if folder else Path("/")).name == name


def test_a_changed_command_stays(tmp_path: Path) -> None:
    changed = ANSWERS.with_changes({"candidate": "a b.py", "command": "pypy 'a b.py'"})
    assert changed.command == "pypy 'a b.py'"
    scaffold(tmp_path, changed)
    assert load(tmp_path / "lab.toml").candidate.command == ("pypy", "a b.py")
    assert ANSWERS.with_changes({"candidate": "a b.py"}).command == "python 'a b.py'"


TEXT = st.text(st.sampled_from("ab\"'\\\n\t\0\x7f/.$@{}# \u00e9\u2028\ud800"), max_size=8)


@given(name=TEXT | st.just("ok"), metric=TEXT, candidate=TEXT, command=TEXT, output=TEXT)
@example(name="ok", metric="m", candidate="it's.py", command="a '\"\\'", output="o\u00e9.json")
@example(name="ok", metric="@@name $x", candidate="a@@b.py", command="x", output="@@o")
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_answer_gives_a_lab_that_loads_or_an_error_and_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    metric: str,
    candidate: str,
    command: str,
    output: str,
) -> None:
    folder = tmp_path_factory.mktemp("lab")
    answers = Answers(name=name, metric=metric, candidate=candidate, command=command, output=output)
    try:
        scaffold(folder, answers)
    except LabError:
        assert files_of(folder) == []
        return
    config = load(folder / "lab.toml")
    assert (config.lab.name, config.scorer.metric, config.candidate.outputs) == (name, metric, (output,))
    assert config.candidate.paths == (candidate, "params.json")
    for script in ("scorer/score.py", candidate):
        compile((folder / script).read_text("utf-8"), script, "exec")
