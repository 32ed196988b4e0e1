"""What must hold between the tables of one `lab.toml`, before anything on disk is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from lab_plugin.config._check_scoring import check_metric, check_schemas
from lab_plugin.config._feedback import check_feedback
from lab_plugin.config._holdout import check_holdout
from lab_plugin.config._paths import covering, within
from lab_plugin.config._patterns import is_scorer_file, matcher
from lab_plugin.config._warm import check_warm
from lab_plugin.toml import Place

LAB_FILE = "lab.toml"
LOCK_FILE = "lab.lock"
_NEED_SPACE = ("random", "tpe")
_WITHOUT_IMAGE = ("bubblewrap", "process")


class Values(Protocol):
    """Gives the raw value of a key that is free of faults; None when it is absent or has one."""

    def __call__(self, table: str, key: str) -> object: ...


def check_between(values: Values) -> Iterator[tuple[Place, str]]:
    """Find faults between tables, as far as the keys concerned are sound themselves.

    Args:
        values: Looks keys up.
    """
    paths = _strings(values("candidate", "paths"))
    patterns = _strings(values("scorer", "files"))
    yield from _own_files(values, paths, patterns)
    yield from _scorer_apart(values, paths, patterns)
    yield from _docker_only(values)
    yield from check_warm(values)
    yield from _image_apart(values, paths, patterns)
    outputs = _strings(values("candidate", "outputs"))
    yield from check_schemas(values("candidate", "schemas"), outputs, patterns)
    yield from check_metric(values("scorer", "metric"))
    yield from check_feedback(values)
    yield from check_holdout(values, (LAB_FILE, LOCK_FILE))
    file = values("search_space", "file")
    if isinstance(file, str) and paths and covering(file, paths) is None:
        place = ("search_space", "file")
        yield place, f'search_space.file: "{file}" must be one of candidate.paths or lie within one'
    if values("candidate", "network") and "network_none" in _strings(values("sandbox", "require")):
        yield ("sandbox", "require"), "sandbox.require: network_none cannot hold with candidate.network"


def check_strategy(values: Values, *, has_space: bool) -> Iterator[tuple[Place, str]]:
    """Find faults between the strategy and the search space.

    Args:
        values: Looks keys up.
        has_space: Whether there is a `[search_space]`, sound or not.
    """
    if has_space:
        return
    name, batch = values("strategy", "name"), values("strategy", "batch")
    if name in _NEED_SPACE:
        yield ("strategy", "name"), f"strategy.name: '{name}' needs the table [search_space]"
    elif isinstance(batch, int) and batch > 1:
        yield ("strategy", "batch"), "strategy.batch: more than one point needs the table [search_space]"


def _own_files(
    values: Values, paths: tuple[str, ...], patterns: tuple[str, ...]
) -> Iterator[tuple[Place, str]]:
    own = {name: "the lab's own file" for name in (LAB_FILE, LOCK_FILE)}
    instructions = values("lab", "instructions")
    if isinstance(instructions, str):
        own[instructions] = "the instructions, and an idea must not rewrite them"
    for index, path in enumerate(paths):
        for file, what in own.items():
            if within(file, path):
                yield ("candidate", "paths", index), f'candidate.paths: "{path}" takes in {file}, {what}'
    for index, pattern in enumerate(patterns):
        for file in (LAB_FILE, LOCK_FILE):
            if is_scorer_file(file, (pattern,)):
                yield ("scorer", "files", index), f'scorer.files: "{pattern}" takes in {file}, {own[file]}'


def _scorer_apart(
    values: Values, paths: tuple[str, ...], patterns: tuple[str, ...]
) -> Iterator[tuple[Place, str]]:
    data = values("candidate", "data")
    for index, pattern in enumerate(patterns):
        place: Place = ("scorer", "files", index)
        for path in paths:
            if _reaches(pattern, path):
                yield place, f'scorer.files: "{pattern}" can take in files of candidate.paths "{path}"'
        if isinstance(data, str) and _reaches(pattern, data):
            yield place, f'scorer.files: "{pattern}" can take in files of candidate.data "{data}"'
    if isinstance(data, str):
        for path in paths:
            if within(data, path) or within(path, data):
                yield ("candidate", "data"), f'candidate.data: "{data}" and candidate.paths "{path}" overlap'


def _docker_only(values: Values) -> Iterator[tuple[Place, str]]:
    kind, image, dockerfile = (values("sandbox", key) for key in ("kind", "image", "dockerfile"))
    if image and dockerfile:
        yield ("sandbox", "dockerfile"), "sandbox.dockerfile: sandbox.image is given too; give one of them"
    if kind in _WITHOUT_IMAGE:
        wishes = {
            ("candidate", "gpus"): "GPUs",
            ("sandbox", "image"): "image",
            ("sandbox", "dockerfile"): "image",
        }
        for (table, key), what in wishes.items():
            if values(table, key):
                message = f'{table}.{key}: the sandbox "{kind}" has no {what}; only "docker" has'
                yield (table, key), message


def _image_apart(
    values: Values, paths: tuple[str, ...], patterns: tuple[str, ...]
) -> Iterator[tuple[Place, str]]:
    """What lies beside a Dockerfile may go into the image: it must be neither changed by ideas nor secret."""
    dockerfile, data = values("sandbox", "dockerfile"), values("candidate", "data")
    if not isinstance(dockerfile, str):
        return
    place: Place = ("sandbox", "dockerfile")
    folder = dockerfile.rpartition("/")[0]
    if not folder:
        yield place, f'sandbox.dockerfile: "{dockerfile}" needs a folder of its own, such as image/Dockerfile'
        return
    taken = [("candidate.paths", path) for path in paths]
    taken += [("candidate.data", data)] if isinstance(data, str) else []
    for key, path in taken:
        if within(path, folder) or within(folder, path):
            yield place, f'sandbox.dockerfile: its folder "{folder}" and {key} "{path}" overlap'
    for pattern in patterns:
        if _reaches(pattern, folder):
            yield place, f'sandbox.dockerfile: scorer.files "{pattern}" can take in files of its folder'


def _reaches(pattern: str, path: str) -> bool:
    """Whether a pattern matches a path, or can match something beneath it."""
    return bool(matcher((pattern,)).walk(path))


def _strings(value: object) -> tuple[str, ...]:
    return tuple(value) if isinstance(value, list | tuple) else ()
