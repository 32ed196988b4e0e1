"""What a sealed scoring has in place of the public one: its files, its settings, and its tier's name."""

from __future__ import annotations

from typing import Any

from lab_plugin.config import Config
from lab_plugin.scorer import Terms

TIER = "holdout"
"""`LAB_TIER` of the scorer in a sealed scoring of outputs; no candidate is told of it."""


def sealed_files(terms: Terms) -> dict[str, str]:
    """What the scorer of a sealed scoring sees: path -> `<mode>:<sha256>`."""
    return {**terms.files, **terms.holdout}


def sealed_config(config: Config) -> Config:
    """The configuration of a sealed scoring: the lab's, with what the hold-out puts in place of it."""
    holdout = config.scorer.holdout
    assert holdout is not None
    scorer = {"command": holdout.command or config.scorer.command}
    scorer["metric"] = holdout.metric or config.scorer.metric  # type: ignore[assignment]
    changes: dict[str, Any] = {"scorer": config.scorer.model_copy(update=scorer)}
    if holdout.data is not None:
        changes["candidate"] = config.candidate.model_copy(update={"data": holdout.data})
    return config.model_copy(update=changes)
