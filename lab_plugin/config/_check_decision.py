"""What must hold between the keys of `[decision]` and the metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lab_plugin.config._check_scoring import unmeasured
from lab_plugin.config._holdout import Values
from lab_plugin.toml import Place

_FIXED = ("greedy", "threshold")


def check_decision(values: Values) -> Iterator[tuple[Place, str]]:
    """Find keys that contradict each other, or that the policy has no use for.

    Args:
        values: Looks keys up.
    """
    policy = values("decision", "policy") or "significant"
    if policy == "threshold" and values("decision", "bar") is None:
        yield ("decision", "policy"), 'decision.policy: "threshold" needs decision.bar, the value to reach'
    if policy != "threshold" and values("decision", "bar") is not None:
        yield ("decision", "bar"), f'decision.bar: the policy "{policy}" has no bar; only "threshold" has'
    if policy not in _FIXED and values("decision", "repeats") is not None:
        message = f'decision.repeats: "{policy}" has no fixed number of repeats; give max_repeats'
        yield ("decision", "repeats"), message
    if policy != "significant" and values("decision", "objectives"):
        message = f'decision.objectives: only the policy "significant" takes several, not "{policy}"'
        yield ("decision", "objectives"), message
    yield from _names(values)


def _names(values: Values) -> Iterator[tuple[Place, str]]:
    metric, objectives = values("scorer", "metric"), values("decision", "objectives")
    names = [*objectives] if isinstance(objectives, Mapping) else []
    if metric in names:
        yield ("decision", "objectives", str(metric)), f'decision.objectives: "{metric}" is the lab\'s metric'
    tie = values("decision", "tie_break")
    if tie is not None and tie not in (metric, *names):
        yield ("decision", "tie_break"), f'decision.tie_break: "{tie}" is none of the objectives'
    if names == [] and values("decision", "tolerance") is not None:
        yield ("decision", "tolerance"), "decision.tolerance: there are no decision.objectives"
    guards = values("decision", "guards")
    for table, found in (("guards", guards), ("objectives", objectives)):
        for name in found if isinstance(found, Mapping) else ():
            if known := unmeasured(name):
                message = f'decision.{table}: the host does not measure "{name}"; it measures {known}'
                yield ("decision", table, name), message
