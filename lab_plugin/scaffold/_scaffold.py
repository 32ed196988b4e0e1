"""Writing the files of a new lab: all of them, or none."""

from __future__ import annotations

import json
import os
import re
import shlex
import string
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import tomlkit

from lab_plugin.config import LAB_FILE, parse
from lab_plugin.errors import ConfigError
from lab_plugin.scaffold._answers import Answers
from lab_plugin.scaffold._space import EXAMPLE_SPACE, EXAMPLE_VALUES, space_around

_SCORER = "scorer/score.py"
_PROGRAM = "PROGRAM.md"
_PARAMETERS = "params.json"
# Width of a value, so that the comments of the template stand below each other.
_COMMENT_COLUMN = 28
_VALUES = {"maximize": "1.0 / (1.0 + error)", "minimize": "error"}
_FAULT_PREFIX = re.compile(rf"^{re.escape(LAB_FILE)}:\d+: ")


class _Template(string.Template):
    delimiter = "@@"


def scaffold(folder: Path, answers: Answers) -> list[Path]:
    """Write a new lab that runs as it is: `lab.toml`, `scorer/score.py`, `PROGRAM.md`.

    Where the candidate does not exist, a small working one is written with them. Where it does, it stays
    as it is, and so does a `params.json` beside it: the search space is laid around its values.

    Args:
        folder: An existing folder; the lab's.
        answers: What the lab is about.

    Returns:
        The files that were written, `lab.toml` last.

    Raises:
        ConfigError: An answer cannot be used, or a file that would be written exists already (all of them
            are listed), or the folder cannot be written. Nothing was written.
        ParametersError: An existing `params.json` is no valid JSON.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder.", "Make it first: git init " + shlex.quote(str(folder)))
    files = _contents(folder, answers)
    taken = tuple(f"{name}: exists already" for name in files if os.path.lexists(folder / name))
    if taken:
        remedy = "Choose another folder, or move these files away."
        raise ConfigError(f"Nothing was written in {folder}.", remedy, taken)
    return _write_all(folder, files)


def _contents(folder: Path, answers: Answers) -> dict[str, str]:
    """Relative path to text, in the order of writing."""
    words = _words(answers.command)
    has_candidate = bool(answers.candidate) and _exists(folder, answers.candidate)
    existing = folder / _PARAMETERS
    keeps_parameters = has_candidate and existing.is_file()
    parameters = space_around(existing.read_bytes(), _PARAMETERS) if keeps_parameters else EXAMPLE_SPACE
    lab_toml = _lab_toml(answers, words, parameters)
    _check(lab_toml)
    files = {_SCORER: _render("score.py", _python_values(answers)), _PROGRAM: _program(answers, words)}
    if not has_candidate:
        files[answers.candidate] = _render("train.py", _python_values(answers))
    if not keeps_parameters:
        files[_PARAMETERS] = json.dumps(dict(EXAMPLE_VALUES), indent=2) + "\n"
    # The last one makes it a lab: a folder without it can be scaffolded again.
    return {**files, LAB_FILE: lab_toml}


def _exists(folder: Path, path: str) -> bool:
    try:
        return os.path.lexists(folder / path)
    except ValueError:
        return False


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError as error:
        raise ConfigError(f"The command {command!r} cannot be split into words: {error}.", "") from None


def _check(lab_toml: str) -> None:
    try:
        parse(lab_toml, LAB_FILE)
    except ConfigError as error:
        faults = tuple(_FAULT_PREFIX.sub("", fault) for fault in error.faults)
        raise ConfigError("These answers do not make a lab.", "Answer again.", faults) from None


def _lab_toml(answers: Answers, words: list[str], parameters: str) -> str:
    paths = list(dict.fromkeys((answers.candidate, _PARAMETERS)))
    values = {
        "name": _toml(answers.name),
        "paths": _toml_list(paths).ljust(_COMMENT_COLUMN),
        "command": _toml_list(words).ljust(_COMMENT_COLUMN),
        "outputs": _toml_list([answers.output]).ljust(_COMMENT_COLUMN),
        "metric": _toml(answers.metric).ljust(_COMMENT_COLUMN),
        "goal": _toml(answers.goal),
        "parameters": parameters,
    }
    return _render("lab.toml", values)


def _toml(text: str) -> str:
    return tomlkit.string(text).as_string()


def _toml_list(texts: list[str]) -> str:
    return f"[{', '.join(map(_toml, texts))}]"


def _python_values(answers: Answers) -> Mapping[str, str]:
    return {
        "output": ascii(answers.output),
        "metric": ascii(answers.metric),
        "value": _VALUES[answers.goal],
    }


def _program(answers: Answers, words: list[str]) -> str:
    return _render(
        "PROGRAM.md",
        {
            "title": answers.name,
            "direction": answers.goal.capitalize(),
            "metric": answers.metric,
            "paths_text": f"- `{answers.candidate}`\n- `{_PARAMETERS}`",
            "command_text": shlex.join(words),
            "output_text": f"`{answers.output}`",
        },
    )


def _render(name: str, values: Mapping[str, str]) -> str:
    text = resources.files("lab_plugin.scaffold").joinpath("templates", f"{name}.txt").read_text("utf-8")
    return _Template(text).substitute(values)


def _write_all(folder: Path, files: Mapping[str, str]) -> list[Path]:
    made: list[Path] = []
    try:
        for name, text in files.items():
            _make_parents(folder, name, made)
            # Never through a link, and never over what appeared meanwhile.
            with open(folder / name, "x", encoding="utf-8") as stream:
                made.append(folder / name)
                stream.write(text)
    except BaseException as error:
        _remove(made)
        if not isinstance(error, OSError | UnicodeError):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            f"Nothing was written in {folder}: {name}: {reason}.", "Mend the folder and run it again."
        ) from None
    return [folder / name for name in files]


def _make_parents(folder: Path, name: str, made: list[Path]) -> None:
    current = folder
    for part in name.split("/")[:-1]:
        current = current / part
        if current.is_symlink():
            raise OSError(0, "its folder is a symbolic link")
        if not current.is_dir():
            current.mkdir()
            made.append(current)


def _remove(made: list[Path]) -> None:
    for path in reversed(made):
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
