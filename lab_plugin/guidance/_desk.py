"""From an answer to the idea that is run: a commit of its own under the same number."""

from __future__ import annotations

import asyncio

from lab_plugin import parameters
from lab_plugin.errors import LabError
from lab_plugin.guidance._contract import Answer, Guide
from lab_plugin.guidance._proposal import Proposal
from lab_plugin.idea import Fault, Idea, PlannedPoint
from lab_plugin.lab import Lab
from lab_plugin.owner_points import point_of_revision, point_of_values
from lab_plugin.proposers import clean_block, clean_line
from lab_plugin.queue import STRATEGY
from lab_plugin.repository import RefChange
from lab_plugin.seed_only import is_seed_only
from lab_plugin.slug import slug

_COMMENT = 1_000
_WHO = 100
_TITLE = 100


class GuideDesk:
    """Asks the owner about ideas, and commits what comes of it.

    Args:
        lab: The lab.
        guide: Asks.
    """

    def __init__(self, lab: Lab, guide: Guide) -> None:
        self._lab = lab
        self._guide = guide

    @staticmethod
    def asks_about(idea: Idea) -> bool:
        """Whether an idea is to be asked about: not twice, and not what the owner made or nothing runs of."""
        owned = idea.strategy == STRATEGY or idea.continues
        return not (idea.answered or idea.fault is not None or owned)

    def where(self, number: int) -> str:
        """See `Guide.where`."""
        return self._guide.where(number)

    async def settle(self, idea: Idea) -> Idea:
        """Ask until there is an answer that can be used.

        Returns:
            The idea to go on with; one that was skipped has a fault.

        Raises:
            GuideGone: There will be no answer; the idea stays open as it is.
            RepositoryError: git refuses, or the idea's open ref was moved by somebody else.
        """
        proposal = await asyncio.to_thread(Proposal.of, self._lab, idea)
        while True:
            answer = await self._guide.ask(proposal)
            try:
                after = await asyncio.to_thread(self._after, proposal, answer)
            except LabError as error:
                proposal = proposal.again(" ".join(filter(None, (error.message, error.remedy))))
            else:
                return await asyncio.to_thread(self._kept_open, idea, after)

    def _after(self, proposal: Proposal, answer: Answer) -> Idea:
        idea, redact = proposal.idea, self._lab.redactor.text
        who = clean_line(redact(answer.by), _WHO) or "the owner"
        comment = clean_block(redact(answer.comment), _COMMENT)
        because = f": {comment}" if comment else ""
        if answer.choice == "skip":
            fault = Fault(verdict="rejected", reason=f"skipped by {who}{because}")
            return idea.model_copy(update={"answered": "skip", "fault": fault})
        if answer.choice == "approve":
            note = f"\n\nApproved by {who}{because}" if comment else ""
            return idea.model_copy(update={"answered": "approve", "hypothesis": idea.hypothesis + note})
        points = self._points(proposal, answer)
        before = [point.tree for point in idea.points]
        parent = self._lab.repository.tree_of(idea.parent)
        if [point.tree for point in points] == before:
            raise LabError("The edit changes nothing of the proposal.", "Change something, or approve it.")
        if all(point.tree == parent for point in points):
            raise LabError("With the edit, the idea is the same as its parent.", "Skip it instead.")
        if all(is_seed_only(self._lab.repository, parent, point.tree) for point in points):
            raise LabError("The edit leaves nothing but another seed, which is luck.", "Skip it instead.")
        title = clean_line(redact(_title(idea, points)), _TITLE)
        hypothesis = f"{idea.hypothesis}\n\nEdited by {who}{because}".strip()
        update = {"answered": "edit", "points": points, "hypothesis": hypothesis, "title": title}
        return idea.model_copy(update={**update, "slug": slug(title)})

    def _points(self, proposal: Proposal, answer: Answer) -> tuple[PlannedPoint, ...]:
        lab, idea = self._lab, proposal.idea
        if answer.revision:
            return (self._with_params(point_of_revision(lab, answer.revision, idea.parent)[0]),)
        if answer.tree:
            return (self._with_params(PlannedPoint(tree=answer.tree)),)
        if not answer.points:
            raise LabError("The edit holds neither values, nor files, nor a commit.", "Give one of them.")
        trees = [point.tree for point in idea.points]
        # A batch may become smaller or larger; its points differ in the parameter file alone.
        trees += [trees[0]] * len(answer.points)
        return tuple(
            point_of_values(lab, tree, values) for tree, values in zip(trees, answer.points, strict=False)
        )

    def _with_params(self, point: PlannedPoint) -> PlannedPoint:
        """A point of edited files, with the parameters that they hold, for proposers that search in those."""
        space = self._lab.config.search_space
        if space is None:
            return point
        try:
            data = self._lab.repository.read_file(point.tree, self._lab.path(space.file))
            found = parameters.read(
                data, parameters.format_of(space.file), space.key, tuple(space.parameters)
            )
        except LabError:
            return point
        return PlannedPoint(tree=point.tree, params=dict(found))

    def _kept_open(self, before: Idea, after: Idea) -> Idea:
        """Commit what was answered in place of the proposal, so that nobody is asked twice."""
        repository = self._lab.repository
        commit = repository.commit(after.points[0].tree, [after.parent], after.message(self._lab.name))
        old, new = self._lab.open_prefix + before.name, self._lab.open_prefix + after.name
        was = before.opened or before.commit
        changes = [RefChange(old, commit, was)]
        if new != old:
            changes = [RefChange(old, None, was), RefChange(new, commit, "")]
        repository.update_refs(changes)
        return after.model_copy(update={"commit": commit, "opened": ""})


def _title(idea: Idea, points: tuple[PlannedPoint, ...]) -> str:
    """What an edited idea is called: by its values where it is one point, else as before."""
    if len(points) > 1 or not idea.points[0].params:
        return f"{idea.title} (edited)"
    values = (
        f"{name}={format(value, '.4g') if isinstance(value, float) else value}"
        for name, value in points[0].params.items()
    )
    return ", ".join(values)
