"""What the host measured of a candidate, as metrics that no program can write."""

from __future__ import annotations

from collections.abc import Mapping

from lab_plugin.config import USAGE_METRICS, USAGE_PREFIX
from lab_plugin.errors import SandboxError
from lab_plugin.sandbox import Execution

# Control groups hold; without them a child that nobody waits for escapes the count.
_COUNTS_ALL = "memory_total"


def usage_metrics(execution: Execution) -> dict[str, float]:
    """`usage.wall_seconds`, `usage.cpu_seconds` and `usage.peak_bytes` of the whole process tree.

    CPU seconds and bytes are left out where the sandbox cannot count every process.
    """
    metrics = {"usage.wall_seconds": execution.wall_seconds}
    if _COUNTS_ALL in execution.guarantees:
        if execution.cpu_seconds is not None:
            metrics["usage.cpu_seconds"] = execution.cpu_seconds
        if execution.peak_bytes is not None:
            metrics["usage.peak_bytes"] = float(execution.peak_bytes)
    return metrics


def is_usage(metric: str) -> bool:
    """Whether a metric is one that the host measures."""
    return metric.startswith(USAGE_PREFIX)


def require_measured(metric: str, usage: Mapping[str, float], sandbox: str) -> None:
    """See that the metric that decides was measured, if it is the host's to measure.

    Args:
        metric: `[scorer] metric`.
        usage: From `usage_metrics`.
        sandbox: Kind that ran the candidate.

    Raises:
        SandboxError: The sandbox cannot measure it.
    """
    if metric in USAGE_METRICS and metric not in usage:
        raise SandboxError(
            f"[scorer] metric: the sandbox {sandbox!r} cannot measure {metric} of a whole process tree here.",
            "Delegate control groups to the lab (systemd-run --user --scope -p Delegate=yes lab run; as root "
            "without --user), choose another [sandbox] kind, or another metric.",
        )
