"""All that the trials of one campaign on workers have in common: what travels, what runs, what came back."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress

from lab_plugin.errors import FleetError, LabError
from lab_plugin.remote._depot import Depot
from lab_plugin.remote._dispatcher import Dispatcher, Ended
from lab_plugin.remote._order import Kind, TrialOrder, ref_of, require_small
from lab_plugin.remote._patience import Tell
from lab_plugin.remote._result import Result
from lab_plugin.repository import Repository

ATTEMPTS = 5
"""Runs of one trial that may be lost before the campaign stops."""
_KEPT = 4
_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
_FAREWELL_SECONDS = 20.0
_log = logging.getLogger("prefect.lab")


class TrialCancelled(Exception):
    """The owner ended the run of a trial, and there is no result."""


class RemoteDesk:
    """Runs orders, each until it has a result, and leaves nothing behind.

    Args:
        repository: The lab's.
        depot: What travels.
        dispatcher: What runs.
        lab: The lab's name.
        hides: Paths of a tree that no candidate sees, and that do not travel with it.
        tell: Told what the owner should know.
    """

    def __init__(
        self,
        repository: Repository,
        depot: Depot,
        dispatcher: Dispatcher,
        lab: str,
        hides: Callable[[str], bool],
        tell: Tell,
    ) -> None:
        self._repository = repository
        self._depot = depot
        self._dispatcher = dispatcher
        self._lab = lab
        self._hides = hides
        self._tell = tell
        self._stripped: dict[str, str] = {}
        self._adopted: dict[str, str] = {}
        self._known: frozenset[str] = frozenset()
        self._using: Counter[str] = Counter()
        self._results: dict[int, set[str]] = {}
        self._idle: dict[str, None] = {}
        self._refused: dict[str, str] = {}
        self._sweeping: asyncio.Task[None] | None = None
        self._swept = asyncio.Lock()
        self._waste: set[str] = set()

    async def open(self, trees: Iterable[tuple[Kind, str]], base: str) -> None:
        """Put what all trials need on the remote, and find what a dead process left.

        Args:
            trees: What all trials need.
            base: Tree of a commit that candidates are made from: further ones travel as differences to it.
        """
        self._base = await self._strip(base)
        await self._depot.open([*trees, ("trials", self._base)])
        self._known = self._depot.results
        self._adopted = dict(await self._dispatcher.unfinished())

    async def offer(self, tree: str) -> str:
        """Have a candidate on the remote, without what is hidden from it; the tree that is there."""
        stripped = await self._strip(tree)
        async with self._swept:
            await self._depot.put("trials", stripped)
            self._using[stripped] += 1
            self._idle.pop(stripped, None)
        return stripped

    async def run(self, order: TrialOrder, pool: str, metric: str, *, passing: bool) -> Result:
        """Run an order until there is a result that counts.

        Args:
            order: With a candidate that was offered for it.
            pool: The work pool.
            metric: The tier's.
            passing: Its result is kept nowhere else; otherwise it stays until `settle`.

        Raises:
            TrialCancelled: The owner ended it.
            FleetError: No worker of the pool can run it, or it was lost again and again.
            RemoteError: The git remote refuses.
        """
        try:
            require_small(order)
            result = await self._run(order, pool, metric)
        finally:
            self._using[order.candidate] -= 1
            self._idle[order.candidate] = None
        ref = order.ref("results")
        if passing:
            self._waste.add(ref)
            self._sweep()
        else:
            self._results.setdefault(order.number, set()).add(ref)
        return result

    def settle(self, number: int) -> None:
        """An idea has its verdict: its results are not needed any more."""
        self._waste |= self._results.pop(number, set())
        self._sweep()

    async def close(self, *, finished: bool) -> None:
        """End what was taken over and not asked for again, and remove what travelled.

        Args:
            finished: No idea goes on later, so that no result is needed, also none that came late.
        """
        for run in self._adopted.values():
            await self._dispatcher.cancel(run, "its campaign is over")
        if self._sweeping is not None:
            self._sweeping.cancel()
            with suppress(asyncio.CancelledError):
                await self._sweeping
        try:
            async with asyncio.timeout(_FAREWELL_SECONDS):
                if finished:
                    await self._depot.look()
                await self._depot.clear(["trials", "results"] if finished else ["trials"])
                await self._depot.remove(self._waste)
        except (LabError, TimeoutError) as error:
            _log.warning("Candidates stay on the git remote until the next campaign: %s", error)

    async def _run(self, order: TrialOrder, pool: str, metric: str) -> Result:
        if order.id in self._known and (result := await self._take(order, metric)) is not None:
            return result
        run, lost, pause = self._adopted.pop(order.id, None), 0, _PAUSE
        while True:
            if run is None:
                run = await self._dispatcher.start(order, pool)
            ended = await self._ended(run, pool)
            # Whatever is said of the run: what is on the remote counts.
            if (result := await self._take(order, metric)) is not None:
                return result
            run = None
            if ended.how == "cancelled":
                raise TrialCancelled(order.name)
            if ended.how == "refused":
                await self._note_refusal(ended, pool)
            else:
                lost += 1
                self._require_attempts(order, pool, ended, lost)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _ended(self, run: str, pool: str) -> Ended:
        try:
            return await self._dispatcher.wait(run, pool)
        except asyncio.CancelledError:
            await asyncio.shield(self._dispatcher.cancel(run, "the campaign does not need it any more"))
            raise

    async def _take(self, order: TrialOrder, metric: str) -> Result | None:
        tree = await self._depot.take(order)
        if tree is None:
            return None
        try:
            return await asyncio.to_thread(Result.load, self._repository, tree, order, metric)
        except FleetError as error:
            self._tell(f"{error.message} It is run again.")
            await self._depot.remove([order.ref("results")])
            return None

    async def _note_refusal(self, ended: Ended, pool: str) -> None:
        """Say so once per worker; stop where there is no other worker left to ask.

        Raises:
            FleetError: Every worker that is online has refused.
        """
        if self._refused.get(ended.worker) != ended.message:
            self._refused[ended.worker] = ended.message
            self._tell(f"The worker {ended.worker!r} of the pool {pool!r} refuses trials: {ended.message}")
        online = await self._dispatcher.workers(pool)
        if online and online <= self._refused.keys():
            raise FleetError(
                f"No worker of the pool {pool!r} can run this lab's trials: {ended.message}",
                "Mend the workers, or start one that has what the lab was locked with; `lab run` goes on.",
            )

    def _require_attempts(self, order: TrialOrder, pool: str, ended: Ended, lost: int) -> None:
        told = f": {ended.message}" if ended.message else ""
        if lost >= ATTEMPTS:
            raise FleetError(
                f"The trial {order.name} was lost {lost} times on the pool {pool!r}{told}",
                "See the workers' logs; if the idea brings its machine down, end it with `lab cancel IDEA`. "
                "`lab run` goes on.",
            )
        self._tell(f"The trial {order.name} was lost on the pool {pool!r}{told}; it is run again.")

    async def _strip(self, tree: str) -> str:
        """A candidate's tree without what is hidden from it."""
        if tree not in self._stripped:

            def strip() -> str:
                hidden = [path for path in self._repository.entries(tree) if self._hides(path)]
                return self._repository.edit_tree(tree, dict.fromkeys(hidden)) if hidden else tree

            self._stripped[tree] = await asyncio.to_thread(strip)
        return self._stripped[tree]

    def _sweep(self) -> None:
        if self._sweeping is None or self._sweeping.done():
            self._sweeping = asyncio.create_task(self._remove_waste())

    async def _remove_waste(self) -> None:
        """Remove in one push what came together meanwhile."""
        await asyncio.sleep(_PAUSE)
        # Nobody may offer a candidate between the look that it is idle and its removal.
        async with self._swept:
            await self._remove_idle()

    async def _remove_idle(self) -> None:
        idle = [tree for tree in self._idle if not self._using[tree] and tree != self._base]
        # A few stay, since the next candidate is likely to be one of them again, or next to it.
        for tree in idle[:-_KEPT] if len(idle) > _KEPT else ():
            del self._idle[tree]
            self._waste.add(ref_of(self._lab, "trials", tree))
        waste, self._waste = self._waste, set()
        try:
            await self._depot.remove(waste)
        except LabError as error:
            _log.warning("Refs of finished trials stay on the git remote: %s", error.message)
