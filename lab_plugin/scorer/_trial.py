"""One trial: the candidate runs, all of it ends, and then the scorer runs on what is left of it.

The two never share a process, a user, a writable folder or a moment.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from lab_plugin.config import Config
from lab_plugin.errors import SandboxError
from lab_plugin.redaction import Redactor
from lab_plugin.sandbox import Execution, Job, Limits, Sandbox
from lab_plugin.scorer._scorecard import MAX_BYTES, ScorecardFault, parse_scorecard

SCORECARD = "scorecard.json"
_TAIL = 2_000


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One sandboxed execution and scoring.

    Attributes:
        name: Unique among running trials; names jobs.
        idea: The idea's number as text, `0007`.
        workspace: Host folder with the candidate commit's files.
        folder: Empty host folder for all that comes of the trial.
        params: The trial's parameters.
        seed: `LAB_SEED`.
        tier: `LAB_TIER`.
    """

    name: str
    idea: str
    workspace: Path
    folder: Path
    params: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    tier: str = "final"


@dataclass(frozen=True, kw_only=True)
class Score:
    """What came of a trial.

    Attributes:
        status: `scored`, `crashed` (a program failed) or `rejected` (a rule was broken).
        reason: Why there is no value; empty when scored.
        value: The metric; None unless scored.
        metrics: All metrics of the scorecard; empty unless scored.
        feedback: The scorer's text for the proposer.
        seconds: Wall seconds of candidate and scorer.
        sandbox: Kind that ran them.
        guarantees: What it held.
    """

    status: Literal["scored", "crashed", "rejected"]
    reason: str = ""
    value: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    feedback: str = ""
    seconds: float = 0.0
    sandbox: str = ""
    guarantees: tuple[str, ...] = ()


class TrialRunner:
    """Runs trials of one lab under one lock.

    Args:
        config: The lab's configuration.
        sandbox: Where both programs run.
        snapshot: The scorer's files, as locked.
        directory: The lab's folder, relative to the workspace.
        redactor: Takes secrets out of what the programs say.
    """

    def __init__(
        self, config: Config, sandbox: Sandbox, snapshot: Path, directory: str, redactor: Redactor
    ) -> None:
        self._config = config
        self._sandbox = sandbox
        self._snapshot = snapshot
        self._directory = directory
        self._redactor = redactor

    @property
    def contained(self) -> bool:
        """Whether a candidate cannot have changed its workspace."""
        return "read_only_root" in self._sandbox.guarantees

    async def execute(self, trial: Trial) -> Execution:
        """Run the candidate to its verified end.

        Raises:
            SandboxUnavailable: The sandbox broke; the trial may be run again in an empty folder.
            SandboxError: It did not hold what the lab demands.
        """
        candidate = self._config.candidate
        destination = _fresh(trial.folder / "candidate")
        params = trial.folder / "params.json"
        _write(params, dict(trial.params))
        inputs = {"LAB_PARAMS": params}
        if candidate.data is not None:
            inputs["LAB_DATA"] = self._config.folder / candidate.data
        return await self._run(
            Job(
                name=f"{trial.name}-candidate",
                role="candidate",
                command=tuple(candidate.command),
                workspace=trial.workspace,
                directory=self._directory,
                inputs=inputs,
                outputs=tuple(candidate.outputs),
                output_variables={"LAB_OUTPUTS": "."},
                destination=destination,
                environment=self._environment(trial, candidate.timeout),
                limits=Limits(
                    wall_seconds=candidate.timeout,
                    memory_bytes=candidate.memory,
                    cpus=candidate.cpus,
                    processes=candidate.processes,
                    disk_bytes=candidate.disk,
                    file_bytes=candidate.disk,
                ),
            )
        )

    async def evaluate(self, trial: Trial, execution: Execution) -> Score:
        """Score what the candidate left.

        Raises:
            SandboxUnavailable: The sandbox broke; may be tried again.
            SandboxError: It did not hold what the lab demands.
        """
        if execution.status != "ok":
            return self._no_score(
                "crashed", f"candidate {execution.reason}{self._tail(execution)}", execution
            )
        if execution.refused:
            faults = "; ".join(f"{name}: {why}" for name, why in execution.refused.items())
            return self._no_score("rejected", f"outputs refused: {faults}", execution)
        scoring = await self._score(trial, execution)
        seconds = execution.wall_seconds + scoring.wall_seconds
        if scoring.status != "ok":
            reason = f"scorer {scoring.reason}{self._tail(scoring)}"
            return self._no_score("crashed", reason, execution, seconds)
        if SCORECARD not in scoring.outputs:
            why = scoring.refused.get(SCORECARD, "missing")
            return self._no_score("rejected", f"the scorer's scorecard: {why}", execution, seconds)
        return self._read(scoring.outputs[SCORECARD].read_bytes(), execution, seconds)

    async def _score(self, trial: Trial, execution: Execution) -> Execution:
        scorer = self._config.scorer
        destination = _fresh(trial.folder / "scorer")
        outputs = trial.folder / "candidate" / "outputs"
        outputs.mkdir(exist_ok=True)
        outputs.chmod(0o755)
        usage = trial.folder / "usage.json"
        _write(
            usage,
            {
                "wall_seconds": execution.wall_seconds,
                "cpu_seconds": execution.cpu_seconds,
                "peak_bytes": execution.peak_bytes,
            },
        )
        inputs = {"LAB_OUTPUTS": outputs, "LAB_USAGE": usage}
        if self._config.candidate.data is not None:
            inputs["LAB_DATA"] = self._config.folder / self._config.candidate.data
        return await self._run(
            Job(
                name=f"{trial.name}-scorer",
                role="scorer",
                command=tuple(scorer.command),
                workspace=self._snapshot,
                inputs=inputs,
                outputs=(SCORECARD,),
                output_variables={"LAB_SCORECARD": SCORECARD},
                destination=destination,
                environment=self._environment(trial, scorer.timeout),
                limits=Limits(
                    wall_seconds=scorer.timeout,
                    memory_bytes=scorer.memory,
                    cpus=scorer.cpus,
                    file_bytes=MAX_BYTES + 1,
                ),
            )
        )

    async def _run(self, job: Job) -> Execution:
        execution = await self._sandbox.run(job)
        # What held at the start may not hold for this very job.
        if missing := set(self._config.sandbox.require) - set(execution.guarantees):
            raise SandboxError(
                f"{job.name}: the sandbox did not hold what [sandbox] require demands: {sorted(missing)}.",
                "Run `lab check`; nothing is scored without it.",
            )
        return execution

    def _read(self, data: bytes, execution: Execution, seconds: float) -> Score:
        metric = self._config.scorer.metric
        try:
            card = parse_scorecard(data, metric)
        except ScorecardFault as fault:
            return self._no_score("rejected", str(fault), execution, seconds)
        return Score(
            status="scored",
            value=card.metrics[metric],
            metrics=card.metrics,
            feedback=card.feedback,
            seconds=seconds,
            sandbox=execution.sandbox,
            guarantees=execution.guarantees,
        )

    def _no_score(
        self,
        status: Literal["crashed", "rejected"],
        reason: str,
        execution: Execution,
        seconds: float | None = None,
    ) -> Score:
        return Score(
            status=status,
            reason=reason,
            seconds=execution.wall_seconds if seconds is None else seconds,
            sandbox=execution.sandbox,
            guarantees=execution.guarantees,
        )

    def _tail(self, execution: Execution) -> str:
        return tail(execution, self._redactor.text)

    def _environment(self, trial: Trial, limit: float) -> dict[str, str]:
        return {
            "LAB_SEED": str(trial.seed),
            "LAB_TIER": trial.tier,
            "LAB_LAB": self._config.lab.name,
            "LAB_IDEA": trial.idea,
            "LAB_TIME_LIMIT": f"{limit:g}",
        }


def tail(execution: Execution, redact: Callable[[str], str]) -> str:
    """The last lines of stderr, cleaned, for a reason or a log; with a leading newline, or empty.

    Args:
        execution: Of which.
        redact: Takes secrets out of the text before it is cut.
    """
    try:
        with execution.stderr.open("rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - _TAIL))
            text = redact(stream.read(_TAIL).decode("utf-8", "replace"))
    except OSError:
        return ""
    lines = [clean(line) for line in text.splitlines() if line.strip()]
    return "\n" + "\n".join(lines[-5:]) if lines else ""


def clean(line: str) -> str:
    """One line without control characters, so that a log cannot drive a terminal."""
    return "".join(character if character.isprintable() else " " for character in line).rstrip()[:500]


def _write(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON that the sandbox's other user can read, whatever the umask."""
    path.write_text(json.dumps(value, sort_keys=True))
    path.chmod(0o644)


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
