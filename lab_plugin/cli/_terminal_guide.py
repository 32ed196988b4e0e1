"""Approve, edit or skip in the terminal: the change is shown, one proposal at a time."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab_plugin.cli._progress import Progress
from lab_plugin.errors import LabError
from lab_plugin.guidance import Answer, Choice, GuideGone, Proposal, proposal_text

_KEYS: dict[str, Choice] = {"a": "approve", "e": "edit", "s": "skip"}
_QUESTION = "[a]pprove, [e]dit, [s]kip, [q]uit? "


class TerminalGuide:
    """Asks on the terminal of this process.

    Args:
        progress: Shares the terminal.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._one_at_a_time = asyncio.Lock()

    def where(self, number: int) -> str:
        """See `Guide.where`."""
        return ""

    async def ask(self, proposal: Proposal) -> Answer:
        """See `Guide.ask`."""
        async with self._one_at_a_time:
            with self._progress.aside():
                _show(proposal)
                return await self._answer(proposal)

    async def _answer(self, proposal: Proposal) -> Answer:
        while True:
            word = (await _read_line(_QUESTION)).strip().lower()
            if word in ("q", "quit"):
                raise GuideGone("the owner quit")
            choice = _KEYS.get(word[:1]) if word in (*_KEYS, *_KEYS.values()) else None
            if choice == "approve":
                return Answer(choice, _who())
            if choice == "skip":
                return Answer(choice, _who(), (await _read_line("why (Enter for nothing)? ")).strip())
            if choice == "edit":
                try:
                    edited = await _edited(proposal)
                except LabError as error:
                    print(f"error: {error}", file=sys.stderr)
                    continue
                if edited is not None:
                    return edited
                print("Nothing was changed.", file=sys.stderr)


def _show(proposal: Proposal) -> None:
    """Show a proposal; the diff in colours, and nothing that a candidate wrote as markup."""
    from rich.console import Console
    from rich.syntax import Syntax
    from rich.text import Text

    console = Console(stderr=True)
    head, _, _ = proposal_text(proposal).partition("\n## Change\n")
    console.rule()
    console.print(Text(_visible(head.strip())))
    for point in proposal.idea.points if len(proposal.idea.points) > 1 else ():
        console.print(Text(f"  {json.dumps(dict(point.params))}"))
    console.print(Syntax(_visible(proposal.patch) or "no change", "diff", background_color="default"))


def _visible(text: str) -> str:
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


async def _read_line(question: str) -> str:
    """One line of the terminal; being cancelled leaves the terminal alone.

    Raises:
        GuideGone: The terminal has ended.
    """
    print(question, end="", file=sys.stderr, flush=True)
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(sys.stdin.fileno())
    # The terminal gives whole lines.
    line = os.read(sys.stdin.fileno(), 65536)
    if not line:
        raise GuideGone("the terminal has ended")
    return line.decode("utf-8", "replace").partition("\n")[0]


async def _edited(proposal: Proposal) -> Answer | None:
    """What the owner makes of a proposal in their editor; None for no change."""
    if not proposal.space:
        return await _edited_files(proposal)
    points = [dict(point.params) for point in proposal.idea.points]
    given = await _edited_points(points)
    if given == points:
        return None
    return Answer("edit", _who(), points=tuple(map(_texts, given)))


async def _edited_points(points: Sequence[Mapping[str, Any]]) -> list[Any]:
    one = len(points) == 1
    with tempfile.TemporaryDirectory(prefix="lab-edit-") as folder:
        file = Path(folder) / "parameters.json"
        file.write_text(json.dumps(points[0] if one else points, indent=2) + "\n")
        await _run_editor(Path(folder), [file.name])
        try:
            given = json.loads(file.read_text())
        except (OSError, ValueError) as error:
            raise LabError(f"The edited parameters are no JSON: {error}.", "Edit again.") from None
    given = [given] if isinstance(given, dict) else given
    if not isinstance(given, list) or not given or not all(isinstance(point, dict) for point in given):
        raise LabError("The edited parameters are no JSON object, or list of objects.", "Edit again.")
    return given


async def _edited_files(proposal: Proposal) -> Answer | None:
    with proposal.copy() as copy:
        await _run_editor(copy, proposal.files() or ["."])
        tree = await asyncio.to_thread(proposal.take, copy)
    if tree == proposal.idea.points[0].tree:
        return None
    return Answer("edit", _who(), tree=tree)


async def _run_editor(folder: Path, files: Sequence[str]) -> None:
    given = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ""
    try:
        command = shlex.split(given)
    except ValueError as error:
        raise LabError(f"EDITOR is no command, {given!r}: {error}.", "Set EDITOR to one.") from None
    if not command:
        command = [next((name for name in ("editor", "nano", "vi") if shutil.which(name)), "")]
    if not command[0] or shutil.which(command[0]) is None:
        raise LabError("There is no editor to edit with.", "Set EDITOR to one.")
    process = await asyncio.create_subprocess_exec(*command, *(f"./{name}" for name in files), cwd=folder)
    try:
        status = await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    if status:
        raise LabError(f"{command[0]} ended with status {status}.", "Edit again, or approve or skip.")


def _texts(point: Mapping[str, Any]) -> dict[str, str]:
    return {
        str(name): repr(value) if isinstance(value, float) else str(value) for name, value in point.items()
    }


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "the owner"
