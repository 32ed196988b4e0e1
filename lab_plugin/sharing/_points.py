"""The further points of an idea that tries several: no ref reaches them, so git would leave them behind."""

from __future__ import annotations

from datetime import UTC, datetime

from lab_plugin.errors import LabError
from lab_plugin.idea import Idea
from lab_plugin.repository import Repository

_WHEN = datetime.fromtimestamp(0, UTC)


def further_points(repository: Repository, commit: str) -> str | None:
    """A commit that reaches all points of an open idea; None for an idea of one point.

    Args:
        repository: Holds them.
        commit: The idea's; the same one always gives the same.
    """
    try:
        idea = Idea.from_commit(commit, repository.commit_message(commit))
        if len(idea.points) < 2:
            return None
        points = [
            repository.commit(point.tree, [], f"Point {at} of idea {idea.number}\n", when=_WHEN)
            for at, point in enumerate(idea.points[1:], start=2)
        ]
        return repository.commit(
            idea.points[0].tree, [commit, *points], f"Points of idea {idea.number}\n", when=_WHEN
        )
    except LabError:
        # Whoever takes the idea up says what is wrong with it.
        return None
