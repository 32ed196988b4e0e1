"""The proposer `command`: any program that edits the workspace and exits.

The program runs in the editing sandbox: of the workspace it can change `candidate.paths` and nothing else,
and it sees neither the scorer nor the host. What it leaves behind is taken in by the caller.
"""

from __future__ import annotations

import json
import math
import os
from collections import deque
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lab_plugin.errors import ProposerError
from lab_plugin.proposers._command_settings import CommandSettings
from lab_plugin.proposers._contract import Outcome, Prior, Request, Setup, Suggestion
from lab_plugin.proposers._proposal import LARGEST, NAME, words_of
from lab_plugin.proposers._text import clean_block, read_tail
from lab_plugin.sandbox import Execution, Job, Limits

HISTORY = 200

_STDERR_BYTES = 4 << 10
_STDERR_LENGTH = 1500


def command_proposer(setup: Setup) -> CommandProposer:
    """Make the proposer `command`.

    Settings: `command` (list of strings, required), `timeout` (default `"10m"`), `memory` (default
    `"2GiB"`), `cpus` (default 1).

    Raises:
        ProposerError: A setting is missing, unknown or wrong.
    """
    return CommandProposer(setup, CommandSettings.read(setup.settings))


class CommandProposer:
    """Runs a program in the editing sandbox.

    Args:
        setup: As given to the factory.
        settings: The checked settings.
    """

    name = "command"
    edits = True

    def __init__(self, setup: Setup, settings: CommandSettings) -> None:
        self._setup = setup
        self._settings = settings
        self._told: deque[Outcome] = deque(maxlen=HISTORY)

    async def ask(self, request: Request) -> Suggestion:
        """Run the program once on the request's workspace.

        Raises:
            ProposerError: The program failed, ran too long or was killed, or nothing may be edited.
            SandboxUnavailable: The sandbox broke; the same request may be made again with a fresh
                workspace and an empty destination.
            SandboxError: The settings ask for what the sandbox cannot hold.
        """
        workspace = request.workspace
        if workspace is None:
            raise ProposerError("strategy 'command' edits a workspace and was given none")
        # Beside the destination, for that has to be empty; what a kill leaves behind goes with its folder.
        with TemporaryDirectory(prefix=".proposer-", dir=request.destination.parent) as folder:
            inputs = _write_inputs(Path(folder), request, self._told, self._setup.prior)
            job = self._job(request, workspace, inputs)
            execution = await self._setup.sandbox.run(job)
        if execution.status != "ok":
            raise _failure(execution, self._settings.command)
        words = words_of(execution, self._settings.command[0], job.limits.log_bytes)
        return Suggestion(title=words.title, hypothesis=words.hypothesis)

    def tell(self, outcome: Outcome) -> None:
        """Remember an outcome for the program's history file."""
        # What was told while it waited is of no use beside its verdict.
        for waiting in [told for told in self._told if told.waits and told.number == outcome.number]:
            self._told.remove(waiting)
        self._told.append(outcome)

    def _job(self, request: Request, workspace: Path, inputs: dict[str, Path]) -> Job:
        setup, settings = self._setup, self._settings
        # Looked at without following links: the sandbox refuses those itself.
        writable = tuple(path for path in setup.writable if os.path.lexists(workspace / path))
        if not writable:
            raise ProposerError(
                f"strategy 'command' may edit nothing: of [{', '.join(setup.writable)}] no path exists",
                "Commit the files of [candidate] paths, or name their folder.",
            )
        return Job(
            name=f"{request.lab}-{request.number:04d}-proposer",
            role="proposer",
            command=settings.command,
            workspace=workspace,
            destination=request.destination,
            directory=setup.directory,
            # A rule of the lab's for the very path comes before `candidate.paths`.
            writable=tuple(path for path in writable if path not in setup.files),
            files=setup.files,
            inputs=inputs,
            outputs=(NAME,),
            output_variables={"LAB_PROPOSAL": NAME},
            environment={
                "LAB_LAB": request.lab,
                "LAB_IDEA": str(request.number),
                "LAB_PARENT": request.parent,
                "LAB_METRIC": request.metric,
                "LAB_GOAL": request.goal,
                "LAB_TIME_LIMIT": f"{settings.timeout:g}",
            },
            limits=Limits(
                wall_seconds=settings.timeout,
                memory_bytes=settings.memory,
                cpus=settings.cpus,
                file_bytes=LARGEST,
            ),
        )


def _write_inputs(
    folder: Path, request: Request, told: deque[Outcome], prior: tuple[Prior, ...]
) -> dict[str, Path]:
    folder.chmod(0o755)
    instructions, history = folder / "instructions.md", folder / "history.jsonl"
    instructions.write_text(request.instructions, encoding="utf-8")
    with history.open("w", encoding="ascii") as file:
        for outcome in told:
            file.write(json.dumps(_record(outcome), allow_nan=False) + "\n")
    inputs = {"LAB_INSTRUCTIONS": instructions, "LAB_HISTORY": history}
    if not prior:
        return inputs
    # Apart from the history: none of it is an outcome of this lab.
    imported = folder / "imported.jsonl"
    with imported.open("w", encoding="ascii") as file:
        for one in prior[-HISTORY:]:
            file.write(json.dumps(vars(one), allow_nan=False) + "\n")
    return {**inputs, "LAB_IMPORTED": imported}


def _record(outcome: Outcome) -> dict[str, Any]:
    return {
        "number": outcome.number,
        "title": outcome.title,
        "verdict": outcome.verdict,
        "value": _finite(outcome.value),
        "reason": outcome.reason,
        "params": {name: _finite(value) for name, value in outcome.params.items()},
        "feedback": outcome.feedback,
        "stderr": outcome.stderr,
        "pruned": outcome.pruned,
        "curve": [[step, _finite(value)] for step, value in outcome.curve.items()],
        "samples": [
            {"id": sample.id, "score": sample.score, "note": sample.note} for sample in outcome.samples
        ],
    }


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _failure(execution: Execution, command: tuple[str, ...]) -> ProposerError:
    tail = clean_block(read_tail(execution.stderr, _STDERR_BYTES)[-_STDERR_LENGTH:], _STDERR_LENGTH)
    said = "\n" + "\n".join(f"    {line}" for line in tail.splitlines()) if tail else ""
    return ProposerError(
        f"the program {command[0]!r} of strategy 'command' did not end well: {execution.reason}{said}",
        f"Its logs are in {execution.stderr.parent}.",
    )
