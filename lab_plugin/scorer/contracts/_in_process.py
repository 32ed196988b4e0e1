"""`in_process`: the scorer's probe and the candidate share a process, dead before anything is scored.

What it guarantees: the candidate's process, and so the probe's, runs in the candidate's sandbox, where
nothing of the scorer is but the probe's own file. All of it is dead before the scorer starts, and what the
probe returned reaches the scorer as JSON data only. So the labels are never in reach of a candidate.

What it does not guarantee, and why its scores lack `separate_process`: in one process, the candidate may
change what the probe does and sees. What the probe measures or checks is the candidate's own word.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from lab_plugin.sandbox import Execution
from lab_plugin.scorer._trial import Score, Trial
from lab_plugin.scorer._usage import usage_metrics
from lab_plugin.scorer.contracts._answers import AnswerFault, canonical_json
from lab_plugin.scorer.contracts._outputs import score_outputs
from lab_plugin.scorer.contracts._programs import Programs, harness, show
from lab_plugin.scorer.contracts._scores import Scores

ANSWERS = "answers.json"


class InProcessContract:
    """See the module, and `Contract`.

    Args:
        programs: Of the lab.
    """

    def __init__(self, programs: Programs) -> None:
        self._programs = programs
        self._scores = Scores(programs, ())

    async def execute(self, trial: Trial) -> Execution:
        """See `Contract.execute`."""
        config = self._programs.config
        assert config.candidate.serve is not None
        assert config.scorer.probe is not None
        job = self._programs.candidate(
            trial,
            harness(config.candidate.serve),
            inputs={
                "LAB_HARNESS": show("probe.py", trial.folder / "harness"),
                "LAB_PROBE": self._programs.snapshot / config.scorer.probe,
            },
            outputs=(ANSWERS,),
        )
        return await self._programs.run(job)

    async def evaluate(self, trial: Trial, execution: Execution) -> Score:
        """See `Contract.evaluate`."""
        if (score := self._scores.unless_ok(execution)) is not None:
            return score
        self._scores.require_measured(execution)
        outputs = trial.folder / "canonical"
        limit = self._programs.config.scorer.answer_bytes
        try:
            await asyncio.to_thread(_copy, execution.outputs[ANSWERS], outputs, limit)
        except AnswerFault as fault:
            return self._scores.refused({ANSWERS: str(fault)}, execution)
        scoring = await score_outputs(self._programs, trial, execution, outputs)
        seconds = execution.wall_seconds + scoring.wall_seconds
        return self._scores.of_scorecard(scoring, execution, seconds, usage_metrics(execution))

    async def collect(self, trial: Trial) -> tuple[str, ...]:
        """See `Contract.collect`."""
        return ()


def _copy(answers: Path, folder: Path, limit: int) -> None:
    """Write the canonical copy that the scorer sees."""
    with answers.open("rb") as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise AnswerFault(f"it has more than {limit:,} bytes ([scorer] answer_bytes)")
    _, canonical = canonical_json(data)
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    copy = folder / ANSWERS
    copy.write_bytes(canonical)
    copy.chmod(0o644)
