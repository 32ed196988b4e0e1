"""`served`: the scorer asks the candidate questions one by one; answers are data.

Both programs run at the same time in two sandboxes that never see each other; the lab carries questions and
answers between them. The candidate dies when the scorer has ended, a rule is broken, or the time is over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab_plugin.sandbox import SEPARATE_PROCESS, Execution, Job
from lab_plugin.scorer._trial import SCORECARD, Score, Trial
from lab_plugin.scorer._usage import usage_metrics
from lab_plugin.scorer.contracts._channel import Channel
from lab_plugin.scorer.contracts._conversation import FAREWELL_SECONDS, Ending, converse
from lab_plugin.scorer.contracts._programs import Programs, harness, show, write_json
from lab_plugin.scorer.contracts._relay import Breach, Rules
from lab_plugin.scorer.contracts._scores import Scores

_SLACK_SECONDS = 1.0

MakeScorer = Callable[[Mapping[str, Path], float], Job]
"""Makes the scorer's job from what it is to be shown, and the seconds in which it waits for the candidate."""


@dataclass(frozen=True, kw_only=True)
class Served(Execution):
    """A candidate's run beside its scorer.

    Attributes:
        scoring: The scorer's run; None when it was ended with the candidate.
        breach: The rule that was broken; None when none was.
        both_seconds: Wall seconds of the two together.
        clock_seconds: Wall seconds that the candidate took to start and to answer.
        ended_by_lab: It did not end by itself; then nothing is known of how it would have.
    """

    scoring: Execution | None
    breach: Breach | None
    both_seconds: float
    clock_seconds: float
    ended_by_lab: bool


class ServedContract:
    """See the module, and `Contract`.

    Args:
        programs: Of the lab.
    """

    def __init__(self, programs: Programs) -> None:
        self._programs = programs
        self._scores = Scores(programs, (SEPARATE_PROCESS,))

    async def execute(self, trial: Trial) -> Execution:
        """See `Contract.execute`; the scorer runs too."""

        def scorer(inputs: Mapping[str, Path], waits: float) -> Job:
            command, output = self._programs.config.scorer.command, ("LAB_SCORECARD", SCORECARD)
            return self._programs.scorer(trial, command, inputs=inputs, output=output, further_seconds=waits)

        return await serve(self._programs, trial, scorer)

    async def evaluate(self, trial: Trial, execution: Execution) -> Score:
        """See `Contract.evaluate`; nothing runs any more."""
        assert isinstance(execution, Served)
        if (score := unless_orderly(self._programs, self._scores, execution)) is not None:
            return score
        assert execution.scoring is not None
        usage = served_usage(execution)
        return self._scores.of_scorecard(execution.scoring, execution, execution.both_seconds, usage)

    async def collect(self, trial: Trial) -> tuple[str, ...]:
        """See `Contract.collect`."""
        return ()


async def serve(programs: Programs, trial: Trial, make_scorer: MakeScorer) -> Served:
    """Run a candidate and its scorer with a channel between them, to the verified end of both.

    Args:
        programs: Of the lab.
        trial: Of which.
        make_scorer: Makes the scorer's job.

    Raises:
        SandboxUnavailable: A sandbox broke.
        SandboxError: It did not hold what the lab demands.
    """
    config = programs.config
    candidate, scorer = config.candidate, config.scorer
    rules = Rules(
        candidate_seconds=candidate.timeout,
        scorer_seconds=scorer.timeout,
        answer_seconds=scorer.answer_timeout,
        answer_bytes=scorer.answer_bytes,
        questions=scorer.questions,
    )
    # Nothing of the candidate's use is known before it has ended.
    usage = trial.folder / "usage.json"
    write_json(usage, dict.fromkeys(("wall_seconds", "cpu_seconds", "peak_bytes")))
    async with Channel(rules) as channel:
        shown = {"LAB_CHANNEL": channel.candidate}
        command = candidate.command
        if candidate.serve is not None:
            shown["LAB_HARNESS"] = show("serve.py", trial.folder / "harness")
            command = harness(candidate.serve)
        # The clocks of the channel are finer; these limits hold should it fail.
        more = FAREWELL_SECONDS + _SLACK_SECONDS
        answering = programs.candidate(trial, command, inputs=shown, further_seconds=scorer.timeout + more)
        asking = make_scorer(
            {"LAB_CANDIDATE": channel.scorer, "LAB_USAGE": usage, **library(trial)}, candidate.timeout + more
        )
        ending = await converse(programs.run, answering, asking, channel)
        return _served(ending, answering, channel.relay.spent, programs.kind)


def library(trial: Trial) -> dict[str, Path]:
    """The input that puts `lab_candidate` on a scorer's path."""
    return {"PYTHONPATH": show("lab_candidate.py", trial.folder / "library").parent}


def unless_orderly(programs: Programs, scores: Scores, execution: Served) -> Score | None:
    """The score of a conversation in which the candidate did wrong; None of one that can be judged.

    Args:
        programs: Of the lab.
        scores: Of the contract.
        execution: The conversation.
    """
    seconds = execution.both_seconds
    breach, scoring = execution.breach, execution.scoring
    # It hung up because it failed: how it failed says more.
    is_gone = breach is not None and breach.gone and not execution.ended_by_lab and execution.status != "ok"
    if breach is not None and not is_gone:
        return scores.none(breach.status, f"{breach.reason}{programs.tail(execution)}", execution, seconds)
    # A scorer that failed may have taken its candidate with it.
    if execution.status == "ok" or (scoring is not None and scoring.status != "ok" and not is_gone):
        scores.require_measured(execution)
        return None
    reason = f"candidate {execution.reason}{programs.tail(execution)}"
    return scores.none("crashed", reason, execution, seconds)


def served_usage(execution: Served) -> dict[str, float]:
    """What the host measured; the time in which the candidate waited for questions is none of its own."""
    return {**usage_metrics(execution), "usage.wall_seconds": execution.clock_seconds}


def _served(ending: Ending, job: Job, clock: float, sandbox: str) -> Served:
    known = ending.candidate or Execution(
        status="failed" if ending.breach else "ok",
        reason="was ended by the lab" if ending.breach else "",
        exit_code=None,
        signal=None,
        wall_seconds=ending.seconds,
        cpu_seconds=None,
        peak_bytes=None,
        stdout=job.destination / "stdout.log",
        stderr=job.destination / "stderr.log",
        outputs={},
        refused={},
        sandbox=sandbox,
        guarantees=(),
    )
    return Served(
        **vars(known),
        scoring=ending.scoring,
        breach=ending.breach,
        both_seconds=ending.seconds,
        clock_seconds=clock,
        ended_by_lab=ending.candidate is None,
    )
