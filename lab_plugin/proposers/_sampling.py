"""The proposers `random` and `tpe`: Optuna's samplers over what the ledger tells.

Optuna's study is built anew for each `ask`, from the memory's bounded view and a seed made of the
campaign's seed and the idea's number. Nothing survives from one `ask` to the next inside Optuna, so a
restarted campaign proposes what the uninterrupted one would have.
"""

from __future__ import annotations

import hashlib
import math
import random
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from lab_plugin.errors import ProposerError, SpaceExhausted
from lab_plugin.proposers._contract import Outcome, Request, Setup, Suggestion
from lab_plugin.proposers._memory import Memory
from lab_plugin.proposers._prior import PriorPoint, PriorPoints
from lab_plugin.proposers._space import Code, Space
from lab_plugin.proposers._unknown import refuse_unknown
from lab_plugin.proposers._wording import describe_points

if TYPE_CHECKING:
    from optuna import Study
    from optuna.samplers import BaseSampler

_STARTUP = 10
_GOOD = 25
_ATTEMPTS = 4
_TIER = 2**54
"""Above every step of a curve."""


def random_proposer(setup: Setup) -> SamplingProposer:
    """Make the proposer `random`: points drawn without regard to scores.

    Raises:
        ProposerError: There is no search space, or the table `[strategy]` has settings that it does not know.
    """

    def sampler(seed: int, scored: int) -> BaseSampler:
        from optuna.samplers import RandomSampler

        return RandomSampler(seed=seed)

    return SamplingProposer("random", setup, sampler, looks_back=False)


def tpe_proposer(setup: Setup) -> SamplingProposer:
    """Make the proposer `tpe`: a tree-structured Parzen estimator, random for the first 10 points.

    A point counts when it has a score or was pruned.

    Raises:
        ProposerError: There is no search space, or the table `[strategy]` has settings that it does not know.
    """

    def sampler(seed: int, scored: int) -> BaseSampler:
        from optuna.samplers import TPESampler

        good = min(math.ceil(0.1 * scored), _GOOD)
        with warnings.catch_warnings():
            # `gamma` is deprecated until Optuna 6. Without it the sampler would take a tenth of what it
            # sees for good, not a tenth of what was scored, and stay coarser than plain TPE.
            warnings.simplefilter("ignore", FutureWarning)
            return TPESampler(seed=seed, n_startup_trials=_STARTUP, gamma=lambda _: good)

    return SamplingProposer("tpe", setup, sampler, looks_back=True)


class SamplingProposer:
    """Answers with points that an Optuna sampler draws.

    Args:
        name: The strategy's name.
        setup: As given to the factory.
        sampler: Makes the sampler from a seed and the number of points that it learns from.
        looks_back: Whether the sampler learns from outcomes.
    """

    edits = False

    def __init__(
        self, name: str, setup: Setup, sampler: Callable[[int, int], BaseSampler], *, looks_back: bool
    ) -> None:
        refuse_unknown(name, setup.settings)
        if not setup.space:
            raise ProposerError(
                f"[strategy] strategy {name!r} needs a search space and the lab has none",
                "Add a [search_space] table to lab.toml.",
            )
        self.name = name
        self._seed = setup.seed
        self._sign = _sign(setup.goal)
        self._curve_signs = [_sign(goal) for goal in setup.curve_goals or (setup.goal,)]
        self._tiers = {name: (at, _sign(goal)) for at, (name, goal) in enumerate(setup.tiers.items())}
        self._space = Space(setup.space)
        self._sampler = sampler
        self._looks_back = looks_back
        self._memory = Memory()
        self._prior = PriorPoints(setup.prior if looks_back else (), self._space, self._sign)

    async def ask(self, request: Request) -> Suggestion:
        """Propose `request.batch` different points, fewer when fewer are left.

        Raises:
            SpaceExhausted: Every point of the space was tried.
        """
        self._memory.settle(request.number, None)
        codes = self._draw(request.number, request.batch)
        if not codes:
            raise SpaceExhausted(
                "every point of the space was tried",
                "Widen [search_space] in lab.toml, or end the campaign here.",
            )
        self._memory.expect(request.number, codes)
        return self._suggestion(codes)

    def tell(self, outcome: Outcome) -> None:
        """Learn what came of a point; one that is not of this space only ends what its idea left pending."""
        code = self._space.encode(outcome.params)
        self._memory.settle(outcome.number, code)
        if code is None:
            return
        value = outcome.value
        loss = None if value is None or not math.isfinite(value) else self._sign * value
        self._memory.add(outcome.number, code, loss, self._end(outcome) if loss is None else None)

    def _end(self, outcome: Outcome) -> tuple[int, float] | None:
        """How far a point without a value came, and how good it was there; None for one that failed.

        A tier counts as more steps than a curve can have, so that of two points the one that passed more
        tiers came further.
        """
        known = [self._tiers[name] for name in outcome.tiers if name in self._tiers]
        passed = 1 + max((at for at, _ in known), default=-1)
        if outcome.pruned and outcome.curve:
            step = max(outcome.curve)
            value = self._curve_signs[min(passed, len(self._curve_signs) - 1)] * outcome.curve[step]
            return (_TIER * passed + step, value) if math.isfinite(value) else None
        if not passed or outcome.pruned:
            return None
        name = next(name for name, (at, _) in self._tiers.items() if at == passed - 1)
        return (_TIER * passed, self._tiers[name][1] * outcome.tiers[name])

    def _draw(self, number: int, batch: int) -> list[Code]:
        from lab_plugin.optuna_trials import quiet

        seed = int.from_bytes(hashlib.sha256(f"{self._seed}:{number}".encode()).digest()[:4])
        wanted = batch
        if self._space.size is not None:
            wanted = min(batch, self._space.size - self._memory.taken_count())
        if wanted <= 0:
            return []
        spare = random.Random(seed)  # noqa: S311 -- reproducible, nothing secret
        codes = [code for code in self._prior.first() if not self._memory.taken(code)][:wanted]
        with quiet():
            study = self._study(seed)
            while len(codes) < wanted:
                code = self._fresh(study, codes) or self._untried(spare, codes)
                if code is None:
                    break
                codes.append(code)
        return codes

    def _fresh(self, study: Study, codes: list[Code]) -> Code | None:
        """Let the sampler try a few times to find a point that is not taken."""
        distributions = {name: axis.distribution() for name, axis in self._space.axes.items()}
        for _ in range(_ATTEMPTS):
            drawn = study.ask(distributions).params
            params = {name: axis.decode(drawn[name]) for name, axis in self._space.axes.items()}
            code = self._space.encode(params)
            if code is not None and code not in codes and not self._memory.taken(code):
                return code
        return None

    def _untried(self, spare: random.Random, codes: list[Code]) -> Code | None:
        """Find any free point of a finite space, looking on from a random place."""
        size = self._space.size
        if size is None:
            return None
        start = spare.randrange(size)
        for offset in range(size):
            code = self._space.nth((start + offset) % size)
            if code not in codes and not self._memory.taken(code):
                return code
        return None

    def _study(self, seed: int) -> Study:
        import optuna

        learnt = self._memory.learnt + len(self._seen())
        study = optuna.create_study(sampler=self._sampler(seed, learnt), direction="minimize")
        if self._looks_back:
            distributions = {name: axis.distribution() for name, axis in self._space.axes.items()}
            for trial in self._trials(distributions):
                study.add_trial(trial)
        return study

    def _trials(self, distributions: dict[str, Any]) -> Iterator[Any]:
        from lab_plugin.proposers._trials import trial

        for point in self._seen():
            yield trial(point.code, distributions, point.loss)
        for entry in self._memory.visible():
            yield trial(entry.code, distributions, entry.loss if entry.scored else None, entry.end)
        for code in self._memory.pending():
            yield trial(code, distributions, None)

    def _seen(self) -> list[PriorPoint]:
        return self._prior.seen(self._memory.scored)

    def _suggestion(self, codes: list[Code]) -> Suggestion:
        points = tuple(self._space.decode(code) for code in codes)
        best = self._memory.best
        title = describe_points(points, self._space.decode(best.code) if best else None)
        return Suggestion(title=title, hypothesis=self._hypothesis(codes), points=points)

    def _hypothesis(self, codes: list[Code]) -> str:
        scored, pruned, best = self._memory.scored, self._memory.pruned, self._memory.best
        if not self._looks_back:
            return "Drawn at random from the search space, without regard to earlier scores."
        if set(codes) <= set(self._prior.first()):
            return "Among the best of what was imported, and not scored by this lab yet."
        seen = len(self._seen())
        known = f"{scored} scored points" + (f" and {pruned} pruned ones" if pruned else "")
        known += f", and {seen} that were imported" if seen else ""
        if self._memory.learnt + seen < _STARTUP:
            return f"Drawn at random: the estimator starts at {_STARTUP} points, and knows {known}."
        leader = f"; the best so far is idea {best.number}" if best else ""
        return f"The estimator expects more here than elsewhere, from {known}{leader}."


def _sign(goal: str) -> float:
    """What makes lower better."""
    return -1.0 if goal == "maximize" else 1.0
