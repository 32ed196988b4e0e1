"""What every proposer must hold, as tests to inherit.

Subclass it in a test module, under a name that pytest collects, and give `proposer`:

    class TestMine(ProposerContract):
        def proposer(self) -> Proposer:
            return mine(Setup(...))

It needs pytest and no plug-in of it.
"""

from __future__ import annotations

import asyncio
import json
import math
import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab_plugin.proposers import Outcome, Proposer, Request, Suggestion

_VERDICTS = ("kept", "reverted", "inconclusive", "crashed", "rejected")


class ProposerContract(ABC):
    """Tests for one kind of proposer; each makes its own with `proposer`."""

    @abstractmethod
    def proposer(self) -> Proposer:
        """A new proposer that was told nothing; always with the same settings, seed and space.

        For one that answers with parameters the space must hold at least 40 points.
        """

    def prepare(self, workspace: Path) -> None:
        """Fill the workspace that an editing proposer is given; by default with an empty `train.py`."""
        (workspace / "train.py").touch()

    def score(self, params: Any) -> float:
        """A value for a point; by default one that depends on its numbers."""
        numbers = [float(value) for value in params.values() if isinstance(value, int | float)]
        return -sum(number * number for number in numbers)

    def test_it_is_a_proposer(self) -> None:
        proposer = self.proposer()
        assert isinstance(proposer, Proposer)
        assert proposer.name.strip() == proposer.name != ""
        assert isinstance(proposer.edits, bool)

    def test_suggestions_are_well_formed(self, tmp_path: Path) -> None:
        proposer = self.proposer()
        for suggestion in self._drive(proposer, range(1, 4), tmp_path):
            assert suggestion.title.strip() == suggestion.title != ""
            assert "\n" not in suggestion.title
            assert suggestion.title.isprintable()
            assert isinstance(suggestion.hypothesis, str)
            assert math.isfinite(suggestion.usd)
            assert suggestion.usd >= 0
            assert bool(suggestion.points) is not proposer.edits

    def test_parameters_survive_json(self, tmp_path: Path) -> None:
        for suggestion in self._drive(self.proposer(), range(1, 4), tmp_path):
            for point in suggestion.points:
                again = json.loads(json.dumps(dict(point), allow_nan=False))
                assert again == dict(point)
                assert [type(value) for value in again.values()] == [type(value) for value in point.values()]

    def test_the_same_told_gives_the_same_answer(self, tmp_path: Path) -> None:
        first = self._drive(self.proposer(), range(1, 7), tmp_path / "first")
        second = self._drive(self.proposer(), range(1, 7), tmp_path / "second")
        assert first == second

    def test_a_restart_changes_nothing(self, tmp_path: Path) -> None:
        whole = self.proposer()
        before = self._drive(whole, range(1, 16), tmp_path / "before")
        after = self._drive(whole, range(16, 21), tmp_path / "after")
        restarted = self.proposer()
        for number, suggestion in enumerate(before, start=1):
            self._tell(restarted, number, suggestion)
        assert self._drive(restarted, range(16, 21), tmp_path / "again") == after

    def test_asking_again_for_the_same_number_gives_the_same_answer(self, tmp_path: Path) -> None:
        proposer = self.proposer()
        self._drive(proposer, range(1, 4), tmp_path / "before")
        first = self._ask(proposer, 4, tmp_path / "first")
        assert self._ask(proposer, 4, tmp_path / "second") == first

    def test_pending_points_are_not_proposed_again(self, tmp_path: Path) -> None:
        proposer = self.proposer()
        points = [
            point
            for number in range(1, 7)
            for point in self._ask(proposer, number, tmp_path / str(number)).points
        ]
        assert len(_different(points)) == len(points)

    def test_told_points_are_not_proposed_again(self, tmp_path: Path) -> None:
        points = [
            point
            for suggestion in self._drive(self.proposer(), range(1, 21), tmp_path)
            for point in suggestion.points
        ]
        assert len(_different(points)) == len(points)

    def test_a_batch_holds_different_points(self, tmp_path: Path) -> None:
        proposer = self.proposer()
        points = self._ask(proposer, 1, tmp_path / "batch", batch=5).points
        assert len(points) <= 5
        assert len(_different(points)) == len(points)
        assert bool(points) is not proposer.edits

    def test_any_outcome_may_be_told(self, tmp_path: Path) -> None:
        proposer = self.proposer()
        [suggestion] = self._drive(proposer, range(1, 2), tmp_path / "one")
        params = suggestion.points[0] if suggestion.points else {}
        for number, verdict in enumerate(_VERDICTS, start=50):
            for value in (None, 1.5, -0.0, 1e308):
                for told in ({}, dict(params), {"of another space": "x"}, {**params, "more": 1}):
                    proposer.tell(Outcome(number=number, params=told, value=value, verdict=verdict))
        self._ask(proposer, 2, tmp_path / "two")

    def test_an_idea_without_an_end_stops_nothing(self, tmp_path: Path) -> None:
        proposer = self.proposer()
        self._ask(proposer, 1, tmp_path / "lost")
        self._drive(proposer, range(2, 6), tmp_path)

    def _drive(self, proposer: Proposer, numbers: Sequence[int], folder: Path) -> list[Suggestion]:
        suggestions = []
        for number in numbers:
            suggestions.append(self._ask(proposer, number, folder / str(number)))
            self._tell(proposer, number, suggestions[-1])
        return suggestions

    def _tell(self, proposer: Proposer, number: int, suggestion: Suggestion) -> None:
        for point in suggestion.points or ({},):
            value = None if number % 5 == 0 else self.score(point)
            verdict = "crashed" if value is None else "reverted"
            proposer.tell(
                Outcome(number=number, params=point, value=value, verdict=verdict, title=suggestion.title)
            )

    def _ask(self, proposer: Proposer, number: int, folder: Path, batch: int = 1) -> Suggestion:
        shutil.rmtree(folder, ignore_errors=True)
        workspace, destination = folder / "workspace", folder / "logs"
        workspace.mkdir(parents=True)
        destination.mkdir()
        self.prepare(workspace)
        request = Request(
            lab="contract",
            number=number,
            parent="0" * 40,
            workspace=workspace if proposer.edits else None,
            destination=destination,
            batch=batch,
            metric="value",
        )
        return asyncio.run(proposer.ask(request))


def _different(points: Sequence[Any]) -> set[str]:
    return {json.dumps(dict(point), sort_keys=True) for point in points}
