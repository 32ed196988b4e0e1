"""A lab with three tiers in which ideas stop everywhere they can."""

import importlib
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.lab import Lab
from lab_plugin.ledger import TierRecord, VerdictRecord
from tests.campaign.conftest import iterate, lock
from tests.comparison.toy import Toy, batch, idea

TIERS = """
[tiers.rough]
seeds   = [4, 2]
promote = { threshold = 5 }

[tiers.mid]
seeds   = 1
promote = "decision"
scorer  = { metric = "cost", goal = "minimize" }

[tiers.final]
seeds = 1
"""
STOPPED, CRASHED, TURNED, KEPT, LOST, BATCH = range(1, 7)
"""Ideas: below the bar of `rough`; crashed there on its second seed; turned away at `mid`; kept; crashed at
`final`; a batch of which the best point crashed on the second seed of `rough`."""


async def tiered_lab(folder: Path, python: Path) -> Toy:
    """Lock it and run its campaign."""
    toy = Toy(folder, python, spread=1.0, decision='policy = "exact"\nconfirm = 0', tiers=TIERS)
    toy.plan(
        idea("low", -90.0),
        idea("torn", 5.0, "crash=2"),
        idea("dear", 6.0, "cost=7"),
        idea("good", 7.0, "cost=-7 nap=0"),
        idea("late", 8.0, "cost=-8 crash-final"),
        batch("three", ("one", 1.0, ""), ("two", 30.0, "crash=2"), ("tri", 2.0, "")),
    )
    await lock(toy.folder)
    async with open_campaign(Lab.open(toy.folder), Plan({"iterations": 6})) as campaign:
        async for _ in iterate(campaign):
            pass
    return toy


@contextmanager
def opened(folder: Path) -> Iterator[Lab]:
    lab = Lab.open(folder)
    try:
        yield lab
    finally:
        lab.close()


def records(lab: Lab) -> tuple[dict[int, VerdictRecord], list[TierRecord]]:
    """All verdicts by number, and all results."""
    state = lab.ledger.state()
    return dict(state.ideas), list(state.results)


@contextmanager
def plugged(folder: Path) -> Iterator[None]:
    """With the strategy `scripted`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        importlib.invalidate_caches()
        yield
    sys.modules.pop("scripted_ideas", None)


def copy_of(template: Toy, folder: Path) -> Path:
    """A copy of the repository that a test may spoil; its candidates see the template's world."""
    shutil.copytree(template.folder, folder, symlinks=True)
    return folder
