"""`[feedback]`: what a proposer may read of a scoring."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Protocol

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from lab_plugin.config._fields import check_unique
from lab_plugin.config._space import Table
from lab_plugin.config._units import parse_size
from lab_plugin.toml import Place

_LEARNS = ("tpe",)


def _check_id(pattern: str) -> str:
    if not pattern or len(pattern) > 250 or not pattern.isprintable():
        raise ValueError("a pattern of sample ids has 1 to 250 printable characters")
    return pattern


class Feedback(Table):
    """`[feedback]`: what a proposer may read of a scoring; never anything of a hold-out.

    Attributes:
        metric: The value, and the champion's.
        status: The verdict, and in one line why nothing was scored.
        stderr: The end of the candidate's stderr, without secrets; the scorer's own is never told.
        stderr_bytes: Of it at most.
        scorer_feedback: The text that the scorer writes for proposers.
        samples: `public`: scores of the samples that `public` names.
        public: Ids of samples, or patterns of them with `*`, `?` and `[...]`.
        worst: How many of them at most, the worst first.
    """

    metric: bool = True
    status: bool = True
    stderr: Literal["none", "tail"] = "tail"
    stderr_bytes: Annotated[int, BeforeValidator(parse_size), Field(ge=1, le=64 << 10)] = 2_000
    scorer_feedback: bool = True
    samples: Literal["none", "public"] = "none"
    public: Annotated[
        tuple[Annotated[str, AfterValidator(_check_id)], ...],
        Field(strict=False),
        AfterValidator(check_unique),
    ] = ()
    worst: Annotated[int, Field(ge=1, le=1_000)] = 20

    @model_validator(mode="after")
    def _check(self) -> Feedback:
        if self.samples == "public" and not self.public:
            raise ValueError('samples = "public" needs the key public, which names them')
        if self.public and self.samples != "public":
            raise ValueError('public names samples, and without samples = "public" none is told')
        return self


class Values(Protocol):
    """Gives the raw value of a key that is free of faults; None when it is absent or has one."""

    def __call__(self, table: str, key: str) -> Any: ...


def check_feedback(values: Values) -> Iterator[tuple[Place, str]]:
    """Find a strategy that could not learn.

    Args:
        values: Looks keys up.
    """
    strategy = values("strategy", "name")
    if strategy in _LEARNS and values("feedback", "metric") is False:
        yield (
            ("feedback", "metric"),
            f"feedback.metric: the strategy '{strategy}' learns from the metric alone",
        )
