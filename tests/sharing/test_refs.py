"""Two clones and a remote, in any order of events: no ledger forks unseen, and no record is lost."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lab_plugin.errors import LabError, LedgersDiverged, RemoteGone
from lab_plugin.lab import Lab
from lab_plugin.ledger import CampaignRecord
from lab_plugin.queue import Wishes, WishStore
from lab_plugin.repository import Lease, RefChange
from lab_plugin.sharing._clone import Clone
from lab_plugin.sharing._hold import Hold, write_beat
from lab_plugin.sharing._transfer import Transfer
from tests.conftest import EXAMPLES, git

CLONES = ("one", "two")


def record(number: int) -> CampaignRecord:
    return CampaignRecord(
        at="2026-01-01T00:00:00.000000Z",
        campaign=number,
        event="opened",
        strategy="random",
        fresh=False,
        history_from=0,
        budget={},
    )


class TwoClones(RuleBasedStateMachine):
    """Campaigns, stripped of their trials: a lease, records, wishes, and a remote that comes and goes."""

    folder: Path

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="lab-sharing-"))
        os.environ["PREFECT_LAB_HOME"] = str(self.folder / "home")
        self.bare = self.folder / "remote.git"
        first = self.folder / "one"
        shutil.copytree(EXAMPLES / "rosenbrock", first)
        text = (first / "lab.toml").read_text()
        (first / "lab.toml").write_text(text.replace("[lab]\n", '[lab]\nremote = "origin"\n', 1))
        git(first, "init", "-q", "-b", "main")
        git(first, "add", "-A")
        git(first, "commit", "-qm", "Start")
        git(self.folder, "clone", "-q", "--bare", str(first), str(self.bare))
        git(first, "remote", "add", "origin", str(self.bare))
        git(self.folder, "clone", "-q", str(self.bare), str(self.folder / "two"))
        self.labs = {name: Lab.open(self.folder / name) for name in CLONES}
        self.holds: dict[str, Hold] = {}
        self.written: set[str] = set()
        self.paused: dict[str, bool] = {}
        self.count = 0

    def teardown(self) -> None:
        os.environ.pop("PREFECT_LAB_HOME", None)
        for lab in getattr(self, "labs", {}).values():
            lab.close()
        shutil.rmtree(getattr(self, "folder", Path("/nonexistent")), ignore_errors=True)

    @rule(name=st.sampled_from(CLONES))
    def take_over(self, name: str) -> None:
        """Hold the remote's lease, whoever has it: that one is judged to be dead, rightly or not."""
        if name in self.holds or not self.bare.exists():
            return
        lab = self.labs[name]
        lease = Lease.acquire(lab.repository, lab.lease_ref, "test")
        clone = Clone(lab)
        names = clone.names
        refs = clone.target.refs()
        beat = write_beat(clone, lease.owner)
        clone.target.push(
            [
                RefChange(names.ref("lease"), lease.oid, refs.get(names.ref("lease"), "")),
                RefChange(names.ref("heartbeat"), beat, refs.get(names.ref("heartbeat"), "")),
            ]
        )
        self.holds[name] = Hold(clone, lease, beat)

    @rule(name=st.sampled_from(CLONES))
    def write(self, name: str) -> None:
        """Append a record; a campaign that was taken over unawares does so, too."""
        if name in self.holds:
            self.count += 1
            entry = self.labs[name].ledger.append(record(self.count), candidate=None)
            self.written.add(entry.commit)

    @rule(name=st.sampled_from(CLONES), paused=st.booleans(), number=st.integers(1, 3))
    def wish(self, name: str, paused: bool, number: int) -> None:
        lab = self.labs[name]
        store = WishStore(lab.repository, lab.queue_ref)
        store.change(lambda before: Wishes(paused, held=before.held | {number}))

    @rule(name=st.sampled_from(CLONES))
    def take_in(self, name: str) -> None:
        before = self.labs[name].ledger.head()
        try:
            Transfer(Clone(self.labs[name]), self.holds.get(name)).take_in()
        except LedgersDiverged:
            assert self.labs[name].ledger.head() == before
        except RemoteGone:
            assert not self.bare.exists()
        except LabError:
            self.lose(name)

    @rule(name=st.sampled_from(CLONES))
    def publish(self, name: str) -> None:
        before = self.chain(self.bare)
        try:
            Transfer(Clone(self.labs[name]), self.holds.get(name)).publish(beats=name in self.holds)
        except LedgersDiverged:
            assert self.chain(self.bare) == before
        except RemoteGone:
            assert not self.bare.exists()
        except LabError:
            assert self.chain(self.bare) == before
            self.lose(name)
        else:
            if name in self.holds:
                assert self.chain(self.bare) == self.chain(self.folder / name)

    def lose(self, name: str) -> None:
        hold = self.holds.pop(name)
        assert git(self.bare, "rev-parse", "refs/lab/rosenbrock/lease") != hold.lease.oid
        hold.lease.release()
        hold.leave()

    @precondition(lambda self: self.bare.exists())
    @rule()
    def go_away(self) -> None:
        self.bare.rename(self.folder / "away")

    @precondition(lambda self: not self.bare.exists())
    @rule()
    def come_back(self) -> None:
        (self.folder / "away").rename(self.bare)

    def chain(self, folder: Path) -> list[str]:
        """A ledger's commits, oldest first; none where there is no ledger."""
        folder = folder if folder.exists() else self.folder / "away"
        if not git(folder, "for-each-ref", "refs/lab/rosenbrock/ledger"):
            return []
        return git(folder, "rev-list", "--reverse", "--first-parent", "refs/lab/rosenbrock/ledger").split()

    @invariant()
    def what_was_published_stays(self) -> None:
        if not hasattr(self, "labs"):
            return
        now = self.chain(self.bare)
        seen = getattr(self, "published", [])
        assert now[: len(seen)] == seen
        self.published = now

    @invariant()
    def no_record_is_lost(self) -> None:
        if hasattr(self, "labs"):
            there = {
                commit
                for folder in (self.bare, *map(self.folder.joinpath, CLONES))
                for commit in self.chain(folder)
            }
            assert self.written <= there


TestTwoClones = TwoClones.TestCase
TestTwoClones.settings = settings(max_examples=6, stateful_step_count=18, deadline=None)


@pytest.mark.parametrize(
    ("ours", "base", "theirs", "merged"),
    [
        (Wishes(True), Wishes(), Wishes(held=frozenset({1})), Wishes(True, held=frozenset({1}))),
        (Wishes(True), Wishes(True), Wishes(), Wishes()),
        (Wishes(priorities={1: 2, 3: 4}), Wishes(priorities={1: 2}), Wishes(), Wishes(priorities={3: 4})),
        (
            Wishes(added=frozenset({1, 2})),
            Wishes(added=frozenset({1})),
            Wishes(added=frozenset({3})),
            Wishes(added=frozenset({2, 3})),
        ),
    ],
)
def test_wishes_of_two_clones_come_together(
    ours: Wishes, base: Wishes, theirs: Wishes, merged: Wishes
) -> None:
    assert ours.merged(base, theirs) == merged


def test_wishes_follow_an_idea_to_its_new_number() -> None:
    wishes = Wishes(held=frozenset({1, 2}), priorities={2: 5}, added=frozenset({2}))
    after = wishes.renumbered(2, 9)
    assert after == Wishes(held=frozenset({1, 9}), priorities={9: 5}, added=frozenset({9}))
