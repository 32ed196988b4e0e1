"""`outputs`: the candidate runs, all of it ends, and then the scorer runs on the files that it left.

The two never share a process, a user, a writable folder or a moment.
"""

from __future__ import annotations

from pathlib import Path

from lab_plugin.sandbox import SEPARATE_PROCESS, Execution
from lab_plugin.scorer._seen import seen_outputs
from lab_plugin.scorer._trial import SCORECARD, Score, Trial
from lab_plugin.scorer._usage import usage_metrics
from lab_plugin.scorer.contracts._programs import Programs, write_json
from lab_plugin.scorer.contracts._scores import Scores


class OutputsContract:
    """See the module, and `Contract`.

    Args:
        programs: Of the lab.
    """

    def __init__(self, programs: Programs) -> None:
        self._programs = programs
        self._scores = Scores(programs, (SEPARATE_PROCESS,))

    async def execute(self, trial: Trial) -> Execution:
        """See `Contract.execute`."""
        candidate = self._programs.config.candidate
        job = self._programs.candidate(trial, candidate.command, outputs=candidate.outputs)
        return await self._programs.run(job)

    async def evaluate(self, trial: Trial, execution: Execution) -> Score:
        """See `Contract.evaluate`."""
        if (score := self._scores.unless_ok(execution)) is not None:
            return score
        self._scores.require_measured(execution)
        schemas = self._programs.config.candidate.schemas
        seen = await seen_outputs(schemas, execution, trial.folder, self._programs.snapshot)
        if seen.faults:
            return self._scores.refused(seen.faults, execution)
        scoring = await score_outputs(self._programs, trial, execution, seen.folder)
        seconds = execution.wall_seconds + scoring.wall_seconds
        return self._scores.of_scorecard(scoring, execution, seconds, usage_metrics(execution))

    async def collect(self, trial: Trial) -> tuple[str, ...]:
        """See `Contract.collect`."""
        return ()


async def score_outputs(programs: Programs, trial: Trial, execution: Execution, outputs: Path) -> Execution:
    """Run the scorer on what a dead candidate left.

    Args:
        programs: Of the lab.
        trial: Of which.
        execution: The candidate's run.
        outputs: Folder that the scorer sees.
    """
    usage = trial.folder / "usage.json"
    write_json(
        usage,
        {
            "wall_seconds": execution.wall_seconds,
            "cpu_seconds": execution.cpu_seconds,
            "peak_bytes": execution.peak_bytes,
        },
    )
    job = programs.scorer(
        trial,
        programs.config.scorer.command,
        inputs={"LAB_OUTPUTS": outputs, "LAB_USAGE": usage},
        output=("LAB_SCORECARD", SCORECARD),
    )
    return await programs.run(job)
