"""The two programs of a trial, as jobs; what every contract has in common."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab_plugin.config import Config
from lab_plugin.errors import SandboxError
from lab_plugin.redaction import Redactor
from lab_plugin.sandbox import CONTRACT_GUARANTEES, Execution, Job, Limits, Sandbox
from lab_plugin.scorer._log_tail import tail
from lab_plugin.scorer._scorecard import MAX_BYTES
from lab_plugin.scorer._trial import Trial

CANDIDATE = "candidate"
"""Folder of a trial with the candidate's logs and outputs."""

_INSIDE = Path(__file__).with_name("inside")
# `python FILE` would need the file's path inside, which a command cannot name.
_BOOT = (
    "import os, sys; sys.path[:] = [folder for folder in sys.path if folder]; "
    "file = os.environ['LAB_HARNESS']; exec(compile(open(file).read(), file, 'exec'))"
)


class Programs:
    """Makes and runs the jobs of one lab's trials.

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
        self.config = config
        self.snapshot = snapshot
        self._sandbox = sandbox
        self._directory = directory
        self._redactor = redactor

    def candidate(
        self,
        trial: Trial,
        command: tuple[str, ...],
        *,
        inputs: Mapping[str, Path] | None = None,
        outputs: tuple[str, ...] = (),
        further_seconds: float = 0.0,
    ) -> Job:
        """The candidate's job.

        Args:
            trial: Of which.
            command: argv.
            inputs: Shown besides parameters and data.
            outputs: Declared.
            further_seconds: Of wall clock, in which it waits for others.
        """
        candidate = self.config.candidate
        params = trial.folder / "params.json"
        write_json(params, dict(trial.params))
        return Job(
            name=f"{trial.name}-candidate",
            role="candidate",
            command=command,
            workspace=trial.workspace,
            directory=self._directory,
            inputs={"LAB_PARAMS": params, **self._data(), **(inputs or {})},
            outputs=outputs,
            output_variables={"LAB_OUTPUTS": "."},
            destination=_fresh(trial.folder / CANDIDATE),
            environment=self._environment(trial, candidate.timeout),
            limits=Limits(
                wall_seconds=candidate.timeout + further_seconds,
                memory_bytes=candidate.memory,
                cpus=candidate.cpus,
                processes=candidate.processes,
                disk_bytes=candidate.disk,
                file_bytes=candidate.disk,
            ),
            gpus=trial.gpus,
            warm=candidate.warm,
        )

    def scorer(
        self,
        trial: Trial,
        command: tuple[str, ...],
        *,
        inputs: Mapping[str, Path],
        output: tuple[str, str],
        further_seconds: float = 0.0,
        environment: Mapping[str, str] | None = None,
    ) -> Job:
        """The scorer's job.

        Args:
            trial: Of which.
            command: argv.
            inputs: Shown besides data.
            output: The variable that tells it where to write its result, and the file's name.
            further_seconds: Of wall clock, in which it waits for others.
            environment: Further variables.
        """
        scorer = self.config.scorer
        variable, name = output
        return Job(
            name=f"{trial.name}-scorer",
            role="scorer",
            command=command,
            workspace=self.snapshot,
            inputs={**inputs, **self._data()},
            outputs=(name,),
            output_variables={variable: name},
            destination=_fresh(trial.folder / "scorer"),
            environment={**self._environment(trial, scorer.timeout), **(environment or {})},
            limits=Limits(
                wall_seconds=scorer.timeout + further_seconds,
                memory_bytes=scorer.memory,
                cpus=scorer.cpus,
                file_bytes=MAX_BYTES + 1,
            ),
        )

    @property
    def kind(self) -> str:
        """Kind of the sandbox."""
        return self._sandbox.kind

    async def run(self, job: Job) -> Execution:
        """Run a job to its verified end.

        Raises:
            SandboxUnavailable: The sandbox broke.
            SandboxError: It did not hold what the lab demands.
        """
        execution = await self._sandbox.run(job)
        # What held at the start may not hold for this very job.
        demanded = set(self.config.sandbox.require) - CONTRACT_GUARANTEES.keys()
        if missing := demanded - set(execution.guarantees):
            raise SandboxError(
                f"{job.name}: the sandbox did not hold what [sandbox] require demands: {sorted(missing)}.",
                "Run `lab check`; nothing is scored without it.",
            )
        return execution

    def tail(self, execution: Execution) -> str:
        """The last lines of a program's stderr, as `tail` gives them."""
        return tail(execution, self._redactor.text)

    def _data(self) -> dict[str, Path]:
        data = self.config.candidate.data
        return {} if data is None else {"LAB_DATA": self.config.folder / data}

    def _environment(self, trial: Trial, limit: float) -> dict[str, str]:
        return {
            "LAB_SEED": str(trial.seed),
            "LAB_TIER": trial.tier,
            "LAB_LAB": self.config.lab.name,
            "LAB_IDEA": trial.idea,
            "LAB_TIME_LIMIT": f"{limit:g}",
        }


def harness(*arguments: str) -> tuple[str, ...]:
    """Argv that runs the program of the input `LAB_HARNESS` with `python`."""
    return ("python", "-c", _BOOT, *arguments)


def show(name: str, folder: Path) -> Path:
    """A copy of one of the lab's own programs that every user can read, however the lab was installed."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    target = folder / name
    target.write_bytes((_INSIDE / name).read_bytes())
    target.chmod(0o644)
    return target


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON that the sandbox's other user can read, whatever the umask."""
    path.write_text(json.dumps(value, sort_keys=True))
    path.chmod(0o644)


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
