"""What a program says about its own edit: `proposal.json`, or else its last line of output."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from lab_plugin.proposers._text import clean_block, clean_line, read_tail
from lab_plugin.sandbox import Execution
from lab_plugin.strict_json import NotStrict, load_strict

NAME = "proposal.json"
LARGEST = 64 << 10
TITLE_LENGTH = 80
HYPOTHESIS_LENGTH = 2000

_UNTITLED = "edit"
_TAIL_BYTES = 16 << 10


class _Unfit(Exception):
    """`proposal.json` cannot be used; the message says why."""


@dataclass(frozen=True)
class Words:
    """What a suggestion says.

    Attributes:
        title: One line of at most 80 characters.
        hypothesis: At most 2,000 characters.
    """

    title: str
    hypothesis: str


def words_of(execution: Execution, program: str, log_bytes: int) -> Words:
    """Title and hypothesis of an edit; never fails, for the edit itself is worth more than its words.

    Args:
        execution: How the program ended.
        program: Its name, for the default hypothesis.
        log_bytes: A log of this size was cut, so its last line is not the program's.
    """
    title, hypothesis, fault = "", "", ""
    try:
        title, hypothesis = _read(execution)
    except _Unfit as error:
        fault = f" Its {NAME} was not used: {error}."
    return Words(
        title=title or _last_line(execution.stdout, log_bytes) or _UNTITLED,
        hypothesis=hypothesis or f"An edit made by {clean_line(program, 100)}.{fault}",
    )


def _read(execution: Execution) -> tuple[str, str]:
    path = execution.outputs.get(NAME)
    if path is None:
        why = execution.refused.get(NAME, "missing")
        if why == "missing":
            return "", ""
        raise _Unfit(clean_line(why, 200))
    try:
        data = load_strict(_content(path).decode("utf-8"))
    except NotStrict as error:
        raise _Unfit(f"it {error}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise _Unfit(clean_line(f"it is not strict JSON ({error})", 200)) from None
    if not isinstance(data, dict):
        raise _Unfit("it is no JSON object")
    for key in data:
        if key not in ("title", "hypothesis"):
            raise _Unfit(f"it has an unknown key {clean_line(key, 40)!r}")
        if not isinstance(data[key], str):
            raise _Unfit(f"its {key} is no string")
    title = clean_line(data.get("title", ""), TITLE_LENGTH)
    return title, clean_block(data.get("hypothesis", ""), HYPOTHESIS_LENGTH)


def _content(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _Unfit("it is no plain file")
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise _Unfit(f"it is larger than {LARGEST >> 10} KiB")
    return content


def _last_line(stdout: Path, log_bytes: int) -> str:
    try:
        if stdout.stat().st_size >= log_bytes:
            return ""
    except OSError:
        return ""
    lines = [clean_line(line, TITLE_LENGTH) for line in read_tail(stdout, _TAIL_BYTES).splitlines()]
    return next((line for line in reversed(lines) if line), "")
