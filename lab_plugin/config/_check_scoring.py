"""What must hold between outputs, their schemas and the metric."""

from __future__ import annotations

from collections.abc import Iterator

from lab_plugin.config._patterns import is_scorer_file
from lab_plugin.config._scoring import USAGE_METRICS, USAGE_PREFIX
from lab_plugin.toml import Place


def check_schemas(
    schemas: object, outputs: tuple[str, ...], patterns: tuple[str, ...]
) -> Iterator[tuple[Place, str]]:
    """Find schemas that belong to no output, and JSON schemas that no lock would cover.

    Args:
        schemas: `candidate.schemas`, as written.
        outputs: `candidate.outputs`.
        patterns: `scorer.files`.
    """
    if not isinstance(schemas, dict):
        return
    for name, schema in schemas.items():
        place: Place = ("candidate", "schemas", name)
        if outputs and name not in outputs:
            yield place, f'candidate.schemas: "{name}" is none of candidate.outputs'
        file = schema.get("schema") if isinstance(schema, dict) else None
        if isinstance(file, str) and patterns and not is_scorer_file(file, patterns):
            message = (
                f'candidate.schemas: the JSON schema "{file}" must be one of scorer.files, which are locked'
            )
            yield (*place, "schema"), message


def check_metric(metric: object) -> Iterator[tuple[Place, str]]:
    """Find a metric that the host would have to measure and does not.

    Args:
        metric: `scorer.metric`.
    """
    if known := unmeasured(metric):
        yield (
            ("scorer", "metric"),
            f'scorer.metric: the host does not measure "{metric}"; it measures {known}',
        )


def unmeasured(metric: object) -> str:
    """What the host measures, where a metric is named as if it did and it does not; else ""."""
    if isinstance(metric, str) and metric.startswith(USAGE_PREFIX) and metric not in USAGE_METRICS:
        return ", ".join(USAGE_METRICS)
    return ""
