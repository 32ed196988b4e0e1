"""From a proposer's suggestion to an idea that is committed and kept open until its verdict."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab_plugin import parameters
from lab_plugin.errors import IntakeError, LabError, ParametersError, ProposerError, SpaceExhausted
from lab_plugin.idea import Fault, Idea, PlannedPoint
from lab_plugin.lab import Lab
from lab_plugin.ledger import Champion
from lab_plugin.proposers import Proposer, Request, Suggestion
from lab_plugin.repository import Blob, RefChange, WorkspacePool, take_in
from lab_plugin.slug import slug

_TITLE = 100
_HYPOTHESIS = 4_000


class IdeaDesk:
    """Asks a proposer, takes its answer in, and commits it as an open idea.

    Args:
        lab: The lab.
        proposer: Who is asked; one at a time.
        pool: Workspaces for proposers that edit.
        folder: Where the logs of proposals go, one folder per idea.
    """

    def __init__(self, lab: Lab, proposer: Proposer, pool: WorkspacePool, folder: Path) -> None:
        self._lab = lab
        self._proposer = proposer
        self._pool = pool
        self._folder = folder
        self._instructions = lab.instructions()
        self._asking = asyncio.Lock()

    async def propose(self, number: int, campaign: int, epoch: int, champion: Champion) -> Idea:
        """Make one idea and keep it under an open ref, so that no crash loses it.

        A proposer that fails or breaks a rule makes an idea too: one with a fault, which gets its verdict
        without a trial.

        Raises:
            SpaceExhausted: There is nothing left to try.
        """
        parent = champion.commit
        tree = self._lab.repository.tree_of(parent)
        try:
            async with self._asking:
                suggestion, points = await self._ask(number, parent, tree)
            fault = self._fault(points, tree)
        except SpaceExhausted:
            raise
        except (ProposerError, IntakeError, ParametersError) as error:
            suggestion = Suggestion(title="no proposal", hypothesis="")
            points = (PlannedPoint(tree=tree),)
            verdict = "crashed" if isinstance(error, ProposerError) else "rejected"
            fault = Fault(verdict=verdict, reason=error.message)
        idea = Idea(
            number=number,
            slug=slug(suggestion.title),
            title=suggestion.title[:_TITLE],
            hypothesis=suggestion.hypothesis[:_HYPOTHESIS],
            strategy=self._proposer.name,
            campaign=campaign,
            epoch=epoch,
            parent=parent,
            points=points,
            usd=suggestion.usd,
            fault=fault,
        )
        return self._open(idea)

    def left_open(self) -> list[Idea]:
        """Ideas that have no verdict yet, oldest first: a dead campaign's proposals."""
        repository = self._lab.repository
        refs = repository.refs(self._lab.open_prefix)
        ideas = [Idea.from_commit(commit, repository.commit_message(commit)) for commit in refs.values()]
        return sorted(ideas, key=lambda idea: idea.number)

    async def _ask(self, number: int, parent: str, tree: str) -> tuple[Suggestion, tuple[PlannedPoint, ...]]:
        logs = self._folder / f"{number:04d}"
        shutil.rmtree(logs, ignore_errors=True)
        logs.mkdir(parents=True)
        if not self._proposer.edits:
            suggestion = await self._proposer.ask(self._request(number, parent, logs, None))
            return suggestion, tuple(self._point(tree, params) for params in suggestion.points)
        with self._pool.private(tree) as workspace:
            suggestion = await self._proposer.ask(self._request(number, parent, logs, workspace.path))
            taken = await asyncio.to_thread(
                take_in,
                self._lab.repository,
                workspace.path,
                tree,
                self._lab.candidate_paths(),
                self._lab.hides,
            )
        return suggestion, (PlannedPoint(tree=taken.tree),)

    def _request(self, number: int, parent: str, logs: Path, workspace: Path | None) -> Request:
        config = self._lab.config
        return Request(
            lab=self._lab.name,
            number=number,
            parent=parent,
            workspace=workspace,
            destination=logs,
            instructions=self._instructions,
            batch=config.strategy.batch,
            metric=config.scorer.metric,
            goal=config.scorer.goal,
        )

    def _point(self, tree: str, params: Mapping[str, Any]) -> PlannedPoint:
        space = self._lab.config.search_space
        if space is None:
            raise ProposerError("The proposer gave parameters, but the lab has no [search_space].")
        path = self._lab.path(space.file)
        repository = self._lab.repository
        rendered = parameters.render(
            repository.read_file(tree, path), parameters.format_of(space.file), space.key, params
        )
        return PlannedPoint(tree=repository.edit_tree(tree, {path: Blob(data=rendered)}), params=dict(params))

    def _fault(self, points: tuple[PlannedPoint, ...], tree: str) -> Fault | None:
        if not points:
            return Fault(verdict="rejected", reason="the proposal holds neither parameters nor an edit")
        if all(point.tree == tree for point in points) and self._proposer.edits:
            return Fault(verdict="rejected", reason="the proposal changes nothing")
        return None

    def _open(self, idea: Idea) -> Idea:
        repository = self._lab.repository
        commit = repository.commit(idea.points[0].tree, [idea.parent], idea.message(self._lab.name))
        repository.update_refs([RefChange(self._lab.open_prefix + idea.name, commit, "")])
        return idea.model_copy(update={"commit": commit})


def trial_params(lab: Lab, point: PlannedPoint) -> Mapping[str, Any]:
    """What `LAB_PARAMS` holds: the point's parameters, or those committed in the tree of an edit."""
    space = lab.config.search_space
    if point.params or space is None:
        return point.params
    try:
        data = lab.repository.read_file(point.tree, lab.path(space.file))
        return parameters.read(data, parameters.format_of(space.file), space.key, tuple(space.parameters))
    except LabError:
        return {}
