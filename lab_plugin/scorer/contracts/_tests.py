"""`tests`: a test-suite is the scorer; it questions the candidate as a served scorer does.

The tests run from the scorer's files in the scorer's sandbox, and what is judged is the exact set of tests
that was collected when the scorer was locked: never an exit status, never what was printed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from lab_plugin.errors import LockError
from lab_plugin.sandbox import SEPARATE_PROCESS, Execution, Job
from lab_plugin.scorer._scorecard import Scorecard
from lab_plugin.scorer._trial import SCORECARD, Score, Trial
from lab_plugin.scorer.contracts._programs import Programs, harness, show
from lab_plugin.scorer.contracts._report import Report, ReportFault, collected_ids, judge, parse_report
from lab_plugin.scorer.contracts._scores import Scores
from lab_plugin.scorer.contracts._served import Served, library, serve, served_usage, unless_orderly

REPORT = "tests.json"


class SuiteContract:
    """See the module, and `Contract`.

    Args:
        programs: Of the lab.
        locked: Ids of the tests, as `collect` found them when the scorer was locked.
    """

    def __init__(self, programs: Programs, locked: tuple[str, ...]) -> None:
        self._programs = programs
        self._locked = locked
        self._scores = Scores(programs, (SEPARATE_PROCESS,))

    async def execute(self, trial: Trial) -> Execution:
        """See `Contract.execute`; the tests run too."""
        return await serve(self._programs, trial, lambda inputs, waits: self._job(trial, inputs, waits))

    async def evaluate(self, trial: Trial, execution: Execution) -> Score:
        """See `Contract.evaluate`; nothing runs any more."""
        assert isinstance(execution, Served)
        if (score := unless_orderly(self._programs, self._scores, execution)) is not None:
            return score
        assert execution.scoring is not None
        seconds = execution.both_seconds
        if execution.scoring.status != "ok":
            reason = f"scorer {execution.scoring.reason}{self._programs.tail(execution.scoring)}"
            return self._scores.none("crashed", reason, execution, seconds)
        try:
            card = judge(_read(execution.scoring), self._locked)
        except ReportFault as fault:
            return self._scores.none("rejected", str(fault), execution, seconds)
        _keep(card, trial.folder / "scorer" / "outputs")
        return self._scores.of(card, execution, seconds, served_usage(execution))

    async def collect(self, trial: Trial) -> tuple[str, ...]:
        """See `Contract.collect`."""
        job = self._job(trial, library(trial), 0.0, {"LAB_COLLECT": "1"})
        run = await self._programs.run(job)
        remedy = (
            "The suite must be collected without a candidate, and by the interpreter of [sandbox] python, "
            "which needs pytest unless [scorer] command runs the tests."
        )
        if run.status != "ok":
            raise LockError(f"The tests cannot be collected: {run.reason}{self._programs.tail(run)}", remedy)
        try:
            return collected_ids(_read(run))
        except ReportFault as fault:
            raise LockError(f"The tests cannot be locked: {fault}.", remedy) from None

    def _job(
        self,
        trial: Trial,
        inputs: Mapping[str, Path],
        waits: float,
        environment: Mapping[str, str] | None = None,
    ) -> Job:
        scorer = self._programs.config.scorer
        command, shown = scorer.command, dict(inputs)
        if not command:
            command = harness(*scorer.tests)
            shown["LAB_HARNESS"] = show("run_tests.py", trial.folder / "runner")
        return self._programs.scorer(
            trial,
            command,
            inputs=shown,
            output=("LAB_TESTS", REPORT),
            further_seconds=waits,
            environment=environment,
        )


def _read(run: Execution) -> Report:
    if REPORT not in run.outputs:
        raise ReportFault(f"the tests' report: {run.refused.get(REPORT, 'missing')}")
    return parse_report(run.outputs[REPORT].read_bytes())


def _keep(card: Scorecard, folder: Path) -> None:
    """Write the scorecard where that of any other scorer lies."""
    (folder / SCORECARD).write_text(json.dumps(asdict(card)))
