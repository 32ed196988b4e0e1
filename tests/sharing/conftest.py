"""Labs in several clones of one bare repository, each clone as on a machine of its own."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.lab import Lab
from lab_plugin.ledger import VerdictRecord
from lab_plugin.verification import verify_ledger
from tests.campaign.conftest import iterate, lock
from tests.comparison.conftest import bare_environment, home, make_toy, plug_in, python
from tests.comparison.toy import Toy, idea
from tests.conftest import git

__all__ = ["bare_environment", "home", "make_toy", "plug_in", "python"]

Run = Callable[..., Awaitable[list[VerdictRecord]]]


class Shared:
    """A toy lab that is shared, and its clones.

    Attributes:
        toy: The lab in its first clone.
        bare: The git remote.
    """

    def __init__(self, toy: Toy, bare: Path) -> None:
        self.toy, self.bare = toy, bare
        git(bare.parent, "init", "-q", "--bare", "-b", "main", str(bare))
        toy.replace('name = "toy"', 'name = "toy"\nremote = "origin"')
        git(toy.folder, "remote", "add", "origin", str(bare))
        self.push("Share it")
        toy.plan(*(idea(f"idea {number}", gain=float(number % 7)) for number in range(1, 100)))

    def push_settings(self) -> None:
        """Push what the owner committed, without the lock."""
        git(self.toy.folder, "push", "-q", "origin", "main")

    def push(self, message: str) -> None:
        """Commit all, and push it as the owner does."""
        git(self.toy.folder, "add", "-A")
        git(self.toy.folder, "commit", "-q", "--allow-empty", "-m", message)
        git(self.toy.folder, "push", "-q", "origin", "main")

    async def lock(self) -> None:
        """Lock the lab in its first clone."""
        await lock(self.toy.folder)
        self.push("Lock it")

    def clone(self, name: str, *options: str) -> Path:
        """A fresh clone."""
        folder = self.bare.parent / name
        git(self.bare.parent, "clone", "-q", *options, str(self.bare), str(folder))
        return folder

    def refs(self) -> dict[str, str]:
        """All refs of the remote but the owner's own branch."""
        lines = git(self.bare, "for-each-ref", "--format=%(refname) %(objectname)", "refs/").splitlines()
        pairs = (line.split() for line in lines)
        return {ref: oid for ref, oid in pairs if ref != "refs/heads/main"}

    def numbers(self, folder: Path) -> list[int]:
        """The ideas of a clone's ledger, which proves itself."""
        lab = Lab.open(folder)
        try:
            assert verify_ledger(lab) == []
            return list(lab.ledger.state().ideas)
        finally:
            lab.close()


@pytest.fixture
def shared(make_toy: Callable[..., Toy], tmp_path: Path) -> Shared:
    return Shared(make_toy(), tmp_path / "remote.git")


@pytest.fixture
def run() -> Run:
    """Run a campaign in a clone to its end."""

    async def go(folder: Path, iterations: int, **plan: object) -> list[VerdictRecord]:
        async with open_campaign(Lab.open(folder), Plan({"iterations": iterations}, **plan)) as campaign:  # type: ignore[arg-type]
            return [record async for record in iterate(campaign)]

    return go
