"""The proposer that a lab's `[strategy]` names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from lab_plugin.config import Config
from lab_plugin.errors import ProposerError, UnknownSettings
from lab_plugin.lab import Lab
from lab_plugin.proposers import Prior, Proposer, Setup, open_proposer
from lab_plugin.sandbox import Sandbox


def open_strategy(lab: Lab, sandbox: Sandbox, prior: Sequence[Prior] = ()) -> Proposer:
    """Make it, as it knows nothing of the lab yet.

    Args:
        lab: The lab.
        sandbox: For proposers that run programs.
        prior: What was tried elsewhere, oldest first.

    Raises:
        ProposerError: There is no such strategy, or its settings are wrong.
    """
    config = lab.config
    setup = Setup(
        settings=config.strategy.settings,
        space=config.search_space.parameters if config.search_space else {},
        goal=config.scorer.goal,
        sandbox=sandbox,
        writable=lab.candidate_paths(),
        directory=lab.directory,
        files={lab.path(path): rule for path, rule in config.proposer.files.items()},
        seed=config.strategy.seed,
        tiers={tier.name: tier.config.scorer.goal for tier in config.screening},
        curve_goals=tuple(_curve_goal(tier.config) for tier in config.tiers),
        prior=tuple(prior),
    )
    try:
        return open_proposer(config.strategy.name, setup)
    except UnknownSettings as error:
        lines = [config.fault(("strategy", name), told) for name, told in error.faults.items()]
        raise ProposerError("\n".join(lines), error.remedy) from None


def _curve_goal(config: Config) -> Literal["maximize", "minimize"]:
    goal = config.pruning.goal if config.pruning else None
    return goal or config.scorer.goal
