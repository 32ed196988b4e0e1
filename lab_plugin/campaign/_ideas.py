"""From a proposer's suggestion to an idea that is committed and kept open until its verdict."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from lab_plugin import parameters
from lab_plugin.errors import (
    IntakeError,
    LabError,
    LedgerError,
    ParametersError,
    ProposerError,
    SpaceExhausted,
)
from lab_plugin.idea import Fault, Idea, PlannedPoint
from lab_plugin.lab import Lab
from lab_plugin.ledger import Champion, VerdictRecord
from lab_plugin.proposers import Proposer, Request, Suggestion, clean_block, clean_line
from lab_plugin.repository import Blob, RefChange, WorkspacePool, may_change, take_in
from lab_plugin.seed_only import is_seed_only
from lab_plugin.slug import slug

_TITLE = 100
_HYPOTHESIS = 4_000
_REASON = 2_000
_SUBMODULE = 0o160000


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
        redact = self._lab.redactor.text
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
            fault = Fault(verdict=verdict, reason=clean_block(redact(error.message), _REASON))
        idea = Idea(
            number=number,
            slug=slug(redact(suggestion.title)),
            title=clean_line(redact(suggestion.title), _TITLE),
            hypothesis=clean_block(redact(suggestion.hypothesis), _HYPOTHESIS),
            strategy=self._proposer.name,
            campaign=campaign,
            epoch=epoch,
            parent=parent,
            points=points or (PlannedPoint(tree=tree),),
            usd=suggestion.usd,
            fault=fault,
        )
        return self._open(idea)

    def narrowed(self, idea: Idea, tree: str) -> Idea:
        """An idea of several points as the one that goes on to the next tier.

        Args:
            idea: The idea.
            tree: Of that point.
        """
        best = next(index for index, point in enumerate(idea.points) if point.tree == tree)
        commit = idea.commit
        if best:
            commit = self._lab.repository.commit(tree, [idea.parent], idea.message(self._lab.name))
        known = {"points": (idea.points[best],), "commit": commit, "opened": idea.opened or idea.commit}
        return idea.model_copy(update=known)

    def without_proposal(
        self, number: int, campaign: int, epoch: int, champion: Champion, fault: Fault
    ) -> Idea:
        """Open an idea of which there is nothing but its number and why.

        Args:
            number: Its own.
            campaign: Number of the campaign.
            epoch: Of the lock.
            champion: It would have changed this.
            fault: Why there is no more.
        """
        title = "no proposal"
        idea = Idea(
            number=number,
            slug=slug(title),
            title=title,
            hypothesis="",
            strategy=self._proposer.name,
            campaign=campaign,
            epoch=epoch,
            parent=champion.commit,
            points=(PlannedPoint(tree=self._lab.repository.tree_of(champion.commit)),),
            fault=fault,
        )
        return self._open(idea)

    def rerun(self, number: int, campaign: int, earlier: VerdictRecord, max_repeats: int) -> Idea:
        """Open an idea that goes on with the comparison of an earlier one.

        Args:
            number: Its own.
            campaign: That takes it up.
            earlier: Verdict of the other.
            max_repeats: In all.
        """
        idea = Idea(
            number=number,
            slug=earlier.slug,
            title=earlier.title,
            hypothesis=f"Rerun of idea {earlier.number} with up to {max_repeats} repeats.",
            strategy=earlier.strategy,
            campaign=campaign,
            epoch=earlier.epoch,
            parent=earlier.parents[0],
            points=(PlannedPoint(tree=earlier.tree, params=earlier.params),),
            continues=earlier.number,
            max_repeats=max_repeats,
        )
        return self._open(idea)

    def left_open(self, campaign: int, epoch: int) -> tuple[list[Idea], list[str]]:
        """Ideas that have no verdict yet: an earlier campaign's proposals, taken over as they are.

        Args:
            campaign: Number of the campaign that takes them over.
            epoch: Lock epoch in which they will be scored.

        Returns:
            The ideas, oldest first, and a sentence for each that cannot be read back and stays aside.
        """
        ideas: list[Idea] = []
        faults: list[str] = []
        for ref, commit in self._lab.repository.refs(self._lab.open_prefix).items():
            name = ref.removeprefix(self._lab.open_prefix)
            try:
                idea = self._read_back(name, commit)
            except (LabError, ValueError) as error:
                reason = clean_line(getattr(error, "message", str(error)), 200)
                faults.append(f"the open idea {name} stays aside, it cannot be read back: {reason}")
            else:
                now = {"campaign": campaign, "epoch": epoch, "fault": idea.fault or self._not_allowed(idea)}
                ideas.append(idea.model_copy(update=now))
        return sorted(ideas, key=lambda idea: idea.number), faults

    def _read_back(self, name: str, commit: str) -> Idea:
        """Read an open idea and prove that all of it is there, so that it can have a verdict."""
        repository = self._lab.repository
        idea = Idea.from_commit(commit, repository.commit_message(commit))
        own = (idea.name, (idea.parent,), idea.points[0].tree)
        if own != (name, repository.parents_of(commit), repository.tree_of(commit)):
            raise LedgerError("its commit is not what its message says")
        before = repository.tree_of(idea.parent)
        for point in idea.points:
            for change in repository.changes(before, point.tree):
                if change.after is not None and change.after.mode != _SUBMODULE:
                    repository.blob_size(change.after.oid)
        return idea

    def _not_allowed(self, idea: Idea) -> Fault | None:
        """A fault when the idea changes what `candidate.paths` no longer has."""
        repository, allowed = self._lab.repository, self._lab.candidate_paths()
        before = repository.tree_of(idea.parent)
        for tree in {point.tree for point in idea.points}:
            for change in repository.changes(before, tree):
                if not may_change(change.path, allowed):
                    return Fault(verdict="rejected", reason=f"{change.path}: no longer in candidate.paths")
        return None

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
        # An idea that edits may have deleted the file, and may be the champion.
        there = repository.entries(tree, str(PurePosixPath(path).parent))
        existing = repository.read_file(tree, path) if PurePosixPath(path).name in there else None
        rendered = parameters.render(existing, parameters.format_of(space.file), space.key, params)
        return PlannedPoint(tree=repository.edit_tree(tree, {path: Blob(data=rendered)}), params=dict(params))

    def _fault(self, points: tuple[PlannedPoint, ...], tree: str) -> Fault | None:
        if not points:
            return Fault(verdict="rejected", reason="the proposal holds neither parameters nor an edit")
        if all(point.tree == tree for point in points) and self._proposer.edits:
            return Fault(verdict="rejected", reason="the proposal changes nothing")
        changed = [point.tree for point in points if point.tree != tree]
        if changed and all(is_seed_only(self._lab.repository, tree, found) for found in changed):
            reason = "the proposal changes nothing but a seed, and what another seed gives is luck"
            return Fault(verdict="rejected", reason=reason)
        return None

    def _open(self, idea: Idea) -> Idea:
        repository = self._lab.repository
        commit = repository.commit(idea.points[0].tree, [idea.parent], idea.message(self._lab.name))
        repository.update_refs([RefChange(self._lab.open_prefix + idea.name, commit, "")])
        return idea.model_copy(update={"commit": commit})


def trial_params(lab: Lab, point: PlannedPoint) -> Mapping[str, Any]:
    """What `LAB_PARAMS` holds: all that the tree's parameter file has.

    So the tree alone decides a score: what of it is searched just now is no part of the lock.
    """
    space = lab.config.search_space
    if space is None:
        return point.params
    try:
        data = lab.repository.read_file(point.tree, lab.path(space.file))
        return parameters.read(data, parameters.format_of(space.file), space.key)
    except LabError:
        return {}
