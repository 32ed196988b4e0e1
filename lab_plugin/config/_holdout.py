"""`[scorer.holdout]`: a second, sealed scoring that nobody who makes ideas ever learns of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Protocol

from pydantic import Field

from lab_plugin.config._fields import Command, Count, Patterns, RelativePath
from lab_plugin.config._paths import within
from lab_plugin.config._patterns import is_scorer_file, matcher
from lab_plugin.config._space import Name, Table
from lab_plugin.toml import Place

_PLACE: Place = ("scorer", "holdout")


class Holdout(Table):
    """`[scorer.holdout]`: scored only for an idea that is about to be kept.

    Attributes:
        files: Patterns, relative to the lab's folder; locked, and hidden from candidates, proposers and the
            public scoring, also where `[scorer] files` takes them in.
        command: argv, without a shell; None for that of `[scorer]`. It runs where both kinds of files lie.
        metric: The metric that decides here; None for that of `[scorer]`. The same way is better.
        data: File or folder in the lab's folder that takes the place of `candidate.data`: the candidate then
            runs once more with it. None when the outputs of the public run are scored.
        looks: How many ideas of an epoch may be scored on it; None for no limit.
        require: `not_worse`: a keep needs a hold-out value that is not worse than the champion's. `nothing`:
            the value is only reported.
        margin: By how much it may be worse, absolute.
        looks_spent: What becomes of an idea that would be kept when all looks are spent: `revert`, or
            `keep_unlooked`.
    """

    files: Patterns
    command: Command | None = None
    metric: Name | None = None
    data: RelativePath | None = None
    looks: Count | None = None
    require: Literal["not_worse", "nothing"] = "not_worse"
    margin: Annotated[float, Field(ge=0)] = 0.0
    looks_spent: Literal["revert", "keep_unlooked"] = "revert"


class Values(Protocol):
    """Gives the raw value of a key that is free of faults; None when it is absent or has one."""

    def __call__(self, table: str, key: str) -> object: ...


def check_holdout(values: Values, own: tuple[str, ...]) -> Iterator[tuple[Place, str]]:
    """Find what would show the hold-out to a candidate.

    Args:
        values: Looks keys up.
        own: The lab's own files, which are no hold-out.
    """
    table = values("scorer", "holdout")
    if not isinstance(table, Mapping):
        return
    if values("scorer", "contract") == "tests":
        yield _PLACE, "scorer.holdout: the contract 'tests' has no hold-out; put more tests into scorer.files"
    public = dict(_public(values))
    for index, pattern in enumerate(_strings(table.get("files"))):
        place: Place = (*_PLACE, "files", index)
        for file in own:
            if is_scorer_file(file, (pattern,)):
                yield place, f'scorer.holdout.files: "{pattern}" takes in {file}, the lab\'s own file'
        for path, key in public.items():
            if matcher((pattern,)).walk(path):
                yield place, f'scorer.holdout.files: "{pattern}" can take in files of {key} "{path}"'
    data = table.get("data")
    if isinstance(data, str):
        yield from _data(data, public, _strings(values("scorer", "files")))


def _data(data: str, public: Mapping[str, str], patterns: tuple[str, ...]) -> Iterator[tuple[Place, str]]:
    place: Place = (*_PLACE, "data")
    for path, key in public.items():
        if within(data, path) or within(path, data):
            yield place, f'scorer.holdout.data: "{data}" and {key} "{path}" overlap'
    for pattern in patterns:
        if matcher((pattern,)).walk(data):
            yield place, f'scorer.holdout.data: scorer.files "{pattern}" can take in files of it'


def _public(values: Values) -> Iterator[tuple[str, str]]:
    """Paths that a candidate or a proposer sees or changes, and the key that says so."""
    for path in _strings(values("candidate", "paths")):
        yield path, "candidate.paths"
    for table, key in (("candidate", "data"), ("lab", "instructions")):
        path_or_none = values(table, key)
        if isinstance(path_or_none, str):
            yield path_or_none, f"{table}.{key}"
    dockerfile = values("sandbox", "dockerfile")
    if isinstance(dockerfile, str) and "/" in dockerfile:
        yield dockerfile.rpartition("/")[0], "the folder of sandbox.dockerfile"


def _strings(value: Any) -> tuple[str, ...]:
    return tuple(value) if isinstance(value, list | tuple) else ()
