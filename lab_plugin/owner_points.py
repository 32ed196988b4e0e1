"""From what an owner gives, values or a commit, to a point that can be tried."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from lab_plugin import parameters
from lab_plugin.config import LOCK_FILE, CategoricalParameter, FloatParameter, IntParameter
from lab_plugin.errors import LabError, RepositoryError
from lab_plugin.idea import PlannedPoint
from lab_plugin.lab import Lab
from lab_plugin.repository import Blob, WorkspacePool, may_change, take_in
from lab_plugin.scratch import scratch


def point_of_values(lab: Lab, tree: str, values: Mapping[str, str]) -> PlannedPoint:
    """A tree with other values in its parameter file.

    Args:
        lab: The lab.
        tree: The tree.
        values: Parameter -> text of its value; those that are not given stay.

    Raises:
        LabError: The lab has no such parameter, or a value is none of its own.
    """
    space = lab.config.search_space
    if space is None:
        raise LabError(
            "The lab has no [search_space], so it has no parameters.", "Give a commit or a branch."
        )
    given: dict[str, Any] = {}
    for name, text in values.items():
        if name not in space.parameters:
            known = ", ".join(space.parameters)
            raise LabError(f"There is no parameter {name!r} in [search_space].", f"There are: {known}.")
        given[name] = _value(name, space.parameters[name], text)
    repository, path = lab.repository, lab.path(space.file)
    form = parameters.format_of(space.file)
    there = repository.entries(tree, str(PurePosixPath(path).parent))
    existing = repository.read_file(tree, path) if PurePosixPath(path).name in there else None
    rendered = parameters.render(existing, form, space.key, given, path=path)
    names = tuple(space.parameters)
    params = parameters.read(rendered, form, space.key, names, path=path)
    return PlannedPoint(tree=repository.edit_tree(tree, {path: Blob(data=rendered)}), params=params)


def point_of_revision(lab: Lab, revision: str, onto: str) -> tuple[PlannedPoint, str, str]:
    """The changes of a commit since it parted from another one, upon that one.

    Args:
        lab: The lab.
        revision: The commit or branch.
        onto: The other commit.

    Returns:
        The point, and the title and the body of the commit's message.

    Raises:
        LabError: It conflicts, or changes what no idea may change.
    """
    repository = lab.repository
    commit = repository.resolve(revision)
    try:
        merged = repository.merge_trees(onto, commit)
    except RepositoryError as error:
        raise LabError(
            f"{revision} does not go onto the champion: {error.message}",
            f"Make it from the champion: git switch -c my-idea {lab.best_branch}",
        ) from None
    base, allowed = repository.tree_of(onto), lab.candidate_paths()
    # `lab lock` puts it beside the code, and many commit it with that; no program sees it.
    own = lab.path(LOCK_FILE)
    there = repository.entries(base).get(own)
    blob = Blob(data=repository.read_blob(there.oid)) if there is not None else None
    merged = repository.edit_tree(merged, {own: blob})
    for change in repository.changes(base, merged):
        if lab.hides(change.path) or not may_change(change.path, allowed):
            raise LabError(
                f"{revision} changes {change.path}, which is not in candidate.paths.",
                "An idea changes those alone; leave the rest out of the commit.",
            )
    with scratch(_made(lab)) as folder:
        pool = WorkspacePool(repository, folder, lab.hides)
        with pool.private(merged) as workspace:
            taken = take_in(repository, workspace.path, base, allowed, lab.hides)
    title, _, body = repository.commit_message(commit).strip().partition("\n")
    return PlannedPoint(tree=taken.tree), title, body.strip()


def _value(name: str, parameter: FloatParameter | IntParameter | CategoricalParameter, text: str) -> Any:
    """The value that a text stands for, within the parameter's range.

    Raises:
        LabError: It is none, or outside.
    """
    if isinstance(parameter, CategoricalParameter):
        for choice in parameter.choices:
            if text in (str(choice), str(choice).lower() if isinstance(choice, bool) else str(choice)):
                return choice
        raise LabError(f"{name} has the choices {', '.join(map(str, parameter.choices))}, not {text!r}.")
    number = int if isinstance(parameter, IntParameter) else float
    try:
        value = number(text)
    except ValueError:
        what = "a whole number" if number is int else "a number"
        raise LabError(f"{name} is {what}, not {text!r}.") from None
    if not parameter.low <= value <= parameter.high:
        raise LabError(f"{name} is from {parameter.low} to {parameter.high}, not {text}.")
    return value


def _made(lab: Lab) -> Path:
    lab.folder.mkdir(parents=True, exist_ok=True)
    return lab.folder
