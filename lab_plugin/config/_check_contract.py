"""What each scorer's contract needs of the other keys, and what it has no use for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from lab_plugin.config._patterns import is_scorer_file, matcher
from lab_plugin.config._scoring import TEST_METRICS, USAGE_METRICS
from lab_plugin.sandbox import SEPARATE_PROCESS
from lab_plugin.toml import Place

_Key = tuple[str, str]

_COMMAND, _OUTPUTS, _SERVE = ("candidate", "command"), ("candidate", "outputs"), ("candidate", "serve")
_SCORER, _TESTS, _PROBE = ("scorer", "command"), ("scorer", "tests"), ("scorer", "probe")
_CHANNEL: frozenset[_Key] = frozenset(
    {("scorer", "answer_timeout"), ("scorer", "answer_bytes"), ("scorer", "questions")}
)
_FILES: frozenset[_Key] = frozenset({("candidate", "schemas")})
_HOLDOUT: frozenset[_Key] = frozenset({("scorer", "holdout")})
_NEEDS: dict[str, frozenset[_Key]] = {
    "outputs": frozenset({_COMMAND, _OUTPUTS, _SCORER}),
    "served": frozenset({_SCORER}),
    "tests": frozenset(),
    "in_process": frozenset({_SERVE, _SCORER, _PROBE}),
}
_TAKES: dict[str, frozenset[_Key]] = {
    "outputs": _FILES | _HOLDOUT | {("candidate", "warm")},
    "served": _CHANNEL | _HOLDOUT | {_COMMAND, _SERVE, ("candidate", "warm")},
    "tests": _CHANNEL | {_COMMAND, _SERVE, _SCORER, _TESTS, ("candidate", "warm")},
    "in_process": _HOLDOUT | {("scorer", "answer_bytes")},
}
_EITHER: dict[str, tuple[tuple[_Key, _Key], ...]] = {
    "served": ((_SERVE, _COMMAND),),
    "tests": ((_SERVE, _COMMAND), (_TESTS, _SCORER)),
}


def check_contract(
    values: Callable[[str, str], object], given: Callable[[str], Collection[str] | None]
) -> Iterator[tuple[Place, str]]:
    """Find keys that a contract lacks or has no use for.

    Args:
        values: Gives the value of a key of a table; None when it is absent or has a fault.
        given: Gives the keys of a table, sound or not; None when there is no such table.
    """
    keys = {table: given(table) for table in ("candidate", "scorer")}
    if keys["scorer"] is None:
        contract: object = "outputs"
    else:
        contract = values("scorer", "contract") if "contract" in keys["scorer"] else "outputs"
    if not isinstance(contract, str) or contract not in _NEEDS:
        return
    present = {(table, key) for table, names in keys.items() for key in names or ()}
    absent = {(table, key) for table, key in _all_keys() if keys[table] is not None} - present
    yield from _missing(contract, absent)
    yield from _useless(contract, present)
    yield from _either(contract, present, absent)
    yield from _scorer_files(values)
    yield from _wishes(contract, values)


def foreign_keys(contract: str, own: Collection[_Key]) -> frozenset[_Key]:
    """Keys that a tier does not take from what all tiers have.

    Those are the keys of another contract, and the other one of two that exclude each other. A hold-out is
    never left out without a word.

    Args:
        contract: The tier's; any other than a known one leaves nothing out.
        own: What the tier gives itself.
    """
    if contract not in _NEEDS:
        return frozenset()
    useless = _all_keys() - _NEEDS[contract] - _TAKES[contract] - _HOLDOUT
    others = {(first, second) for pair in _EITHER.get(contract, ()) for first, second in (pair, pair[::-1])}
    others.add((_SERVE, ("candidate", "warm")))
    return (useless | {other for given, other in others if given in own}) - frozenset(own)


def _all_keys() -> frozenset[_Key]:
    return frozenset().union(*_NEEDS.values(), *_TAKES.values())


def _missing(contract: str, absent: Collection[_Key]) -> Iterator[tuple[Place, str]]:
    for table, key in sorted(_NEEDS[contract] & set(absent)):
        reason = "" if contract == "outputs" else f', and the contract "{contract}" needs it'
        yield (table, key), f"the key '{key}' is missing in [{table}]{reason}"


def _useless(contract: str, present: Collection[_Key]) -> Iterator[tuple[Place, str]]:
    for table, key in sorted(set(present) & (_all_keys() - _NEEDS[contract] - _TAKES[contract])):
        users = [f'"{name}"' for name in _NEEDS if (table, key) in _NEEDS[name] | _TAKES[name]]
        yield (
            (table, key),
            f'{table}.{key}: the contract "{contract}" has no use for it; leave it out, or set '
            f"scorer.contract to {' or '.join(users)}",
        )


def _either(
    contract: str, present: Collection[_Key], absent: Collection[_Key]
) -> Iterator[tuple[Place, str]]:
    for first, second in _EITHER.get(contract, ()):
        table, names = first[0], f"'{first[1]}' or '{second[1]}'"
        if first in present and second in present:
            yield first, f"{table}.{first[1]}: {table}.{second[1]} is given too; give one of them"
        elif first in absent and second in absent:
            yield (table,), f'the contract "{contract}" needs one of the keys {names} in [{table}]'
    warm = ("candidate", "warm")
    if _SERVE in present and warm in present and contract in _EITHER:
        yield warm, "candidate.warm: cannot be had together with candidate.serve"


def _scorer_files(values: Callable[[str, str], object]) -> Iterator[tuple[Place, str]]:
    patterns = _strings(values("scorer", "files"))
    if not patterns:
        return
    probe = values("scorer", "probe")
    if isinstance(probe, str) and not is_scorer_file(probe, patterns):
        yield _PROBE, f'scorer.probe: "{probe}" must be one of scorer.files, which are locked'
    for index, path in enumerate(_strings(values("scorer", "tests"))):
        if not is_scorer_file(path, patterns) and not matcher(patterns).walk(path):
            yield (
                (*_TESTS, index),
                f'scorer.tests: "{path}" must be one of scorer.files or a folder of them, which are locked',
            )


def _wishes(contract: str, values: Callable[[str, str], object]) -> Iterator[tuple[Place, str]]:
    metric = values("scorer", "metric")
    known = (*TEST_METRICS, *USAGE_METRICS)
    if contract == "tests" and isinstance(metric, str) and metric not in known:
        yield ("scorer", "metric"), f'scorer.metric: the contract "tests" gives {", ".join(known)}'
    if contract == "in_process" and SEPARATE_PROCESS in _strings(values("sandbox", "require")):
        yield (
            ("sandbox", "require"),
            f'sandbox.require: {SEPARATE_PROCESS} cannot hold with scorer.contract "in_process"',
        )


def _strings(value: object) -> tuple[str, ...]:
    return tuple(value) if isinstance(value, list | tuple) else ()
