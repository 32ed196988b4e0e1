"""What one tier shows to candidates must be neither scorer nor hold-out of another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lab_plugin.config._models import Config
from lab_plugin.config._paths import within
from lab_plugin.config._patterns import matcher
from lab_plugin.toml import Place


def check_apart(configs: Mapping[str, Config]) -> Iterator[tuple[Place, str]]:
    """Find what a candidate would see at one tier and must not for the sake of another.

    Args:
        configs: By tier, in order; each is sound by itself.
    """
    for name, config in configs.items():
        for key, path in _shown(config).items():
            for other, theirs in configs.items():
                if other != name and (what := _secret(theirs, path)):
                    table, _, own = key.partition(".")
                    message = f'tiers.{name}.{key}: "{path}" reaches into {what} of the tier {other}'
                    yield ("tiers", name, table, own), message


def _shown(config: Config) -> dict[str, str]:
    """Key -> what of the lab's folder it shows."""
    shown = {"candidate.data": config.candidate.data or ""}
    if config.sandbox.dockerfile:
        # All beside it may go into the image.
        shown["sandbox.dockerfile"] = config.sandbox.dockerfile.rpartition("/")[0]
    return {key: path for key, path in shown.items() if path}


def _secret(config: Config, path: str) -> str:
    """What is hidden at a tier and a path shows; "" for nothing."""
    scorer = config.scorer
    hidden = {"scorer.files": scorer.files}
    if scorer.holdout is not None:
        hidden["scorer.holdout.files"] = scorer.holdout.files
        data = scorer.holdout.data
        if data and (within(path, data) or within(data, path)):
            return f'scorer.holdout.data "{data}"'
    for key, patterns in hidden.items():
        if matcher(patterns).walk(path):
            return f"{key} {', '.join(patterns)}"
    return ""
