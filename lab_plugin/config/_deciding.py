"""`[decision]`: when an idea is kept."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from lab_plugin.config._fields import Count, Seed, Text, check_unique
from lab_plugin.config._space import Name, Table, check_some

LINES = "lines"
"""What an idea may be simpler by that is no metric."""
_PERCENT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?) ?%")
_HINT = "an amount is a number in the metric's units, such as 0.01, or a part of the champion's value: \"1%\""


def check_amount(value: object) -> object:
    """An amount as it is written, once it is one."""
    parse_amount(value)
    return value if isinstance(value, str) else float(value)  # type: ignore[arg-type]


def parse_amount(value: object) -> tuple[float, bool]:
    """Read an amount.

    Args:
        value: A number, or a percentage as text.

    Returns:
        The amount, 0 or more, and whether it is a part of the champion's value.

    Raises:
        ValueError: It is neither.
    """
    if isinstance(value, str):
        if (match := _PERCENT.fullmatch(value.strip())) is None:
            raise ValueError(_HINT)
        return float(match[1]) / 100, True
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(_HINT)
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"an amount is finite and not negative; {_HINT}")
    return float(value), False


Amount = Annotated[float | str, BeforeValidator(check_amount)]
_Limit = Annotated[float, Field(allow_inf_nan=False)]


class Guard(Table):
    """`[decision.guards] NAME = {...}`: limits on a further metric, which an idea must keep to.

    Attributes:
        at_most: The metric's largest value.
        at_least: The metric's smallest value.
        may_rise: By how much it may be above the champion's.
        may_fall: By how much it may be below the champion's.
        shown: True: a limit must be shown to be kept, at the confidence of the decision. False: it must not
            be shown to be broken.
    """

    at_most: _Limit | None = None
    at_least: _Limit | None = None
    may_rise: Amount | None = None
    may_fall: Amount | None = None
    shown: bool = True

    @model_validator(mode="after")
    def _has_limit(self) -> Guard:
        if self.at_most is self.at_least is self.may_rise is self.may_fall is None:
            raise ValueError("a guard has one of at_most, at_least, may_rise and may_fall")
        return self


class Objective(Table):
    """`[decision.objectives] NAME = {...}`: a further objective beside the lab's metric.

    Attributes:
        goal: Which way is better.
        min_improvement: An improvement is at least this.
        tolerance: A loss of less than this is none.
    """

    goal: Literal["maximize", "minimize"]
    min_improvement: Amount = 0.0
    tolerance: Amount = 0.0


class Simplicity(Table):
    """`[decision.simplicity]`: an idea that is as good and simpler is kept.

    Attributes:
        margin: A loss of less than this is none.
        by: What makes an idea simpler, any of: `lines` for fewer lines of text, or a metric that is at least
            a tenth lower, such as `usage.cpu_seconds`.
    """

    margin: Amount
    by: Annotated[
        tuple[Name, ...], Field(strict=False), AfterValidator(check_some), AfterValidator(check_unique)
    ] = (LINES,)


class Decision(Table):
    """`[decision]`: when an idea is kept.

    Attributes:
        policy: `significant`: by a test that controls the campaign's error, and exactly where a scorer has no
            noise; `exact`: the first scores are compared as they are; `greedy`: the higher mean of `repeats`
            seeds; `threshold`: what reaches `bar` and is better than the champion.
        min_improvement: By how much the metric must get better; 0 for any improvement.
        seed: `LAB_SEED` of the first trial of every idea and of the champion; further repeats count up.
        calibrate: Runs of the baseline, with seeds of their own, that `lab lock` estimates the noise from;
            three equal ones are enough.
        noise: Standard deviation of the metric over seeds, where it is known; None to estimate it.
        confidence: One minus the error of a campaign.
        tries: Ideas that a campaign is laid out for; None for the budget's iterations, or 200.
        max_repeats: Of one idea.
        detect: Improvement that is not to be missed, in standard deviations of the difference on one seed.
        repeats: Of every idea, under `greedy` and `threshold`.
        bar: What `threshold` asks for.
        guards: Metric -> limits.
        simplicity: When a simpler idea is kept although it is not better; None for never.
        objectives: Metric -> further objective.
        tolerance: A loss of the metric of less than this is none, among several objectives.
        tie_break: The objective that decides between a gain in one and a loss in another; None for none.
        drift_every: After how many verdicts the champion is scored again, to see whether the machine has
            changed; 0 for never.
        confirm: Fresh seeds on which the champion meets the baseline when a campaign ends; 0 for none.
    """

    policy: Literal["significant", "exact", "greedy", "threshold"] = "significant"
    min_improvement: Amount = 0.0
    seed: Seed = 0
    calibrate: Annotated[int, Field(ge=1, le=1_000)] = 5
    noise: Annotated[float, Field(gt=0)] | None = None
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    tries: Count | None = None
    max_repeats: Annotated[int, Field(ge=1, le=10_000)] = 48
    detect: Annotated[float, Field(gt=0, le=1_000)] = 1.0
    repeats: Annotated[int, Field(ge=1, le=10_000)] = 1
    bar: float | None = None
    guards: dict[Name, Guard] = Field(default_factory=dict)
    simplicity: Simplicity | None = None
    objectives: dict[Name, Objective] = Field(default_factory=dict)
    tolerance: Amount = 0.0
    tie_break: Text | None = None
    drift_every: Annotated[int, Field(ge=0, le=10**9)] = 25
    confirm: Annotated[int, Field(ge=0, le=10_000)] = 8

    def metrics(self, metric: str) -> tuple[str, ...]:
        """All metrics that a decision looks at, the lab's first.

        Args:
            metric: The lab's.
        """
        cheaper = (
            () if self.simplicity is None else tuple(name for name in self.simplicity.by if name != "lines")
        )
        return tuple(dict.fromkeys((metric, *self.guards, *self.objectives, *cheaper)))


def nested(place: tuple[int | str, ...]) -> type[Table] | None:
    """The table that lies at a place within `[decision]`."""
    if place == ("decision", "simplicity"):
        return Simplicity
    kinds: Mapping[int | str, type[Table]] = {"guards": Guard, "objectives": Objective}
    return kinds.get(place[1]) if len(place) == 3 and place[0] == "decision" else None
