import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lab_plugin.errors import LedgerError, RefConflict
from lab_plugin.ledger import CampaignRecord, Point
from lab_plugin.repository import EMPTY_TREE, RefChange
from tests.cli.test_crashes import subreaper

__all__ = ["subreaper"]

BEST = "refs/heads/lab/x/best"


def test_an_empty_ledger(desk: Any) -> None:
    ledger = desk.ledger
    assert (
        ledger.head() is None and ledger.records() == () and ledger.verify() == [] and ledger.recover() == []
    )
    state = ledger.state()
    assert (state.lock, state.champion, state.campaign, state.baseline) == (None, None, None, None)
    assert (len(state.ideas), state.next_number, state.next_campaign) == (0, 1, 1)
    assert state.find_tree(desk.tree) is None


def test_records_survive_and_are_chained(
    running: Any, folder: Path, make_desk: Callable[[Path], Any]
) -> None:
    record = running.decide(1, "kept", 0.6)
    entries = running.ledger.records()
    assert [entry.record.kind for entry in entries] == ["lock", "campaign", "verdict"]
    assert make_desk(folder).ledger.records() == entries
    last = running.repository.parents_of(entries[-1].commit)
    assert last == (entries[-2].commit, record.commit)
    assert running.repository.tree_of(entries[0].commit) == running.tree
    assert running.repository.tree_of(entries[2].commit) == EMPTY_TREE
    assert running.repository.commit_message(entries[2].commit).startswith("0001 an-idea: kept 0.6\n\n{")
    assert running.ledger.verify() == []


def test_only_what_is_new_is_read(
    running: Any, folder: Path, make_desk: Callable[[Path], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = make_desk(folder)
    before = reader.ledger.records()
    running.decide(1)
    seen: list[str] = []
    real = reader.repository.first_parents

    def counting(*ids: str) -> Any:
        found = real(*ids)
        seen.extend(commit.oid for commit in found)
        return found

    monkeypatch.setattr(reader.repository, "first_parents", counting)
    after = reader.ledger.records()
    assert after[:-1] == before and after == running.ledger.records()
    assert seen == [after[-1].commit]


def test_somebody_else_came_first(running: Any, folder: Path, make_desk: Callable[[Path], Any]) -> None:
    other = make_desk(folder)
    record = other.record(2)
    running.decide(1, "kept", 0.7)
    head = running.ledger.head()
    with pytest.raises(RefConflict):
        other.ledger.append(record, candidate=record.commit, changes=other.changes(record))
    assert running.ledger.head() == head and other.repository.ref(f"refs/heads/{record.branch}") is None
    assert other.ledger.state().champion.number == 1
    other.decide(2)
    assert running.ledger.state().next_number == 3


def test_a_ref_that_conflicts_takes_the_record_with_it(running: Any) -> None:
    record, head = running.record(1), running.ledger.head()
    with pytest.raises(RefConflict):
        running.ledger.append(
            record, candidate=record.commit, changes=[RefChange(BEST, record.commit, record.commit[::-1])]
        )
    assert running.ledger.head() == head and len(running.ledger.records()) == 2


def test_state(running: Any) -> None:
    baseline = running.ledger.state().baseline
    assert baseline == running.ledger.state().champion and baseline.number == 0
    running.decide(1, "crashed", None, usd=0.5, campaign_seconds=3.0)
    early = running.ledger.state()
    running.decide(2, "rejected", None)
    running.decide(3, "crashed", None, campaign_seconds=9.0)
    spent = running.ledger.state().campaign.spent
    assert (spent.iterations, spent.crashes, spent.since_keep, spent.seconds, spent.usd) == (
        3,
        2,
        3,
        9.0,
        0.5,
    )
    running.decide(7, "kept", 0.9, metrics={"m": 0.9})
    state = running.ledger.state()
    assert (state.campaign.spent.crashes, state.campaign.spent.since_keep, state.campaign.kept) == (0, 0, 1)
    assert (state.champion.number, state.champion.value, state.champion.metrics) == (7, 0.9, {"m": 0.9})
    assert list(state.ideas) == [1, 2, 3, 7] and state.next_number == 8
    assert list(early.ideas) == [1] and 7 not in early.ideas and early.campaign.spent.iterations == 1
    running.campaign(event="revised", budget={"iterations": 5.0})
    campaign = running.ledger.state().campaign
    assert (
        campaign.budget == {"iterations": 5.0}
        and campaign.spent == state.campaign.spent
        and campaign.kept == 1
    )
    running.campaign(event="closed")
    assert running.ledger.state().campaign is None and running.ledger.state().next_campaign == 2
    running.lock(epoch=2, value=0.8)
    state = running.ledger.state()
    assert (state.champion.number, state.champion.value, state.baseline) == (7, 0.8, state.champion)


def test_trees_are_found_in_their_epoch_and_scored_ones_first(running: Any) -> None:
    first = running.decide(1, "crashed", None)
    again = running.record(2, value=0.3).model_copy(update={"commit": first.commit, "tree": first.tree})
    running.ledger.append(again, candidate=first.commit)
    point = Point(tree="f" * 40, value=0.2)
    running.decide(3, points=(point, Point(tree="e" * 40, status="crashed")))
    state = running.ledger.state()
    assert state.find_tree(first.tree).number == 2
    assert state.find_tree("f" * 40).number == state.find_tree("e" * 40).number == 3
    assert state.find_tree("d" * 40) is None
    running.lock(epoch=2)
    assert running.ledger.state().find_tree(first.tree) is None


def test_two_continuations_of_one_state_do_not_mix(running: Any) -> None:
    start = running.ledger.state()
    one = start.with_record(running.record(1))
    two = start.with_record(running.record(2))
    assert (list(start.ideas), list(one.ideas), list(two.ideas)) == ([], [1], [2])


def forge(desk: Any, message: str, parents: list[str] | None = None, tree: str = EMPTY_TREE) -> str:
    head = desk.ledger.head()
    commit = desk.repository.commit(tree, parents or [head], message)
    desk.repository.update_refs([RefChange(desk.ledger.ref, commit, head)])
    return commit


@pytest.mark.parametrize(
    "message",
    [
        "",
        "text",
        "a\n\n{}",
        "a\n\n" + "[" * 100_000,
        'a\n\n{"kind":NaN}',
        "a\n\n\x01",
    ],
)
def test_a_corrupt_record_is_isolated(
    running: Any, folder: Path, make_desk: Callable[[Path], Any], message: str
) -> None:
    running.decide(1, "kept", 0.6)
    bad = forge(running, message)
    running.decide(2, "kept", 0.7)
    for ledger in (running.ledger, make_desk(folder).ledger):
        assert len(ledger.records()) == 4 and ledger.state().champion.number == 2
        assert [problem.commit for problem in ledger.problems()] == [bad]
        assert [problem.commit for problem in ledger.verify()] == [bad]
        assert ledger.verify()[0].remedy


def test_a_missing_commit_is_told(running: Any, folder: Path, make_desk: Callable[[Path], Any]) -> None:
    running.decide(1)
    lost = running.ledger.records()[1].commit
    (folder / ".git/objects" / lost[:2] / lost[2:]).unlink()
    ledger = make_desk(folder).ledger
    with pytest.raises(LedgerError, match="cannot be read back") as raised:
        ledger.state()
    assert "Fetch" in raised.value.remedy
    assert ledger.verify()


def test_a_ledger_that_was_replaced_is_read_anew(
    running: Any, folder: Path, make_desk: Callable[[Path], Any]
) -> None:
    reader = make_desk(folder)
    running.decide(1)
    short = running.ledger.records()[0].commit
    assert len(reader.ledger.records()) == 3
    running.repository.update_refs([RefChange(running.ledger.ref, short)])
    assert len(reader.ledger.records()) == 1 and list(reader.ledger.state().ideas) == []
    running.repository.update_refs([RefChange(running.ledger.ref, None)])
    assert reader.ledger.records() == () and reader.ledger.head() is None


def whats(desk: Any) -> str:
    return "\n".join(str(problem) for problem in desk.ledger.verify())


def test_forgeries_are_found(running: Any) -> None:
    record = running.decide(1, "kept", 0.6)
    assert whats(running) == ""
    append = running.ledger.append
    append(record, candidate=record.commit)
    assert "idea 1 has a second verdict" in whats(running)
    other = running.record(2)
    append(other, candidate=running.base, changes=running.changes(other))
    assert "second parent is not the commit" in whats(running)
    append(running.record(3, "crashed", 0.5), candidate=running.candidate(3))
    assert "idea 3 is crashed and has a value" in whats(running)
    append(running.record(4, epoch=9), candidate=running.candidate(4))
    assert "idea 4 was not scored under the lock" in whats(running)
    append(running.record(5, tree=running.tree), candidate=running.candidate(5))
    assert "is not the one of the record" in whats(running)
    append(running.record(6, parents=("1" * 40,)), candidate=running.candidate(6))
    assert "parents of the candidate" in whats(running)
    append(running.record(7, campaign=4), candidate=running.candidate(7))
    assert "campaign 4, which was not open" in whats(running)
    append(running.record(8, "kept", 0.9, champion_value=0.0), candidate=running.candidate(8))
    assert "idea 8 was not compared with the champion" in whats(running)
    assert "best is not at the champion, idea 8" in whats(running)
    append(running.record(9), candidate=running.candidate(9), tree=running.tree)
    assert "its tree is not the one of the record" in whats(running)
    append(CampaignRecord(at="t", campaign=3, event="closed", strategy="s"), candidate=None)
    assert "campaign 3 is closed but was not open" in whats(running)


def test_a_commit_with_another_content_than_its_id_is_found(running: Any, folder: Path) -> None:
    running.decide(1)
    forged, real = running.ledger.records()[1].commit, running.ledger.records()[2].commit
    objects = folder / ".git/objects"
    data = (objects / real[:2] / real[2:]).read_bytes()
    (objects / forged[:2] / forged[2:]).chmod(0o644)
    (objects / forged[:2] / forged[2:]).write_bytes(data)
    running.repository.close()
    assert running.ledger.verify()


def test_moved_and_lost_branches_are_found(running: Any) -> None:
    kept, reverted = running.decide(1, "kept", 0.6), running.decide(2)
    running.repository.update_refs([RefChange(f"refs/heads/{reverted.branch}", None)])
    assert whats(running) == ""
    running.repository.update_refs(
        [RefChange(f"refs/heads/{kept.branch}", None), RefChange(BEST, running.base)]
    )
    assert f"branch {kept.branch} is missing" in whats(running) and "best is not at the champion" in whats(
        running
    )


def test_another_history_under_the_ref_is_found(running: Any) -> None:
    text = running.repository.commit_message(running.ledger.head())
    forge(running, text, parents=[running.base])
    assert "not the start of a ledger" in whats(running)


def test_half_a_transaction_is_finished(running: Any, folder: Path, make_desk: Callable[[Path], Any]) -> None:
    running.decide(1, "kept", 0.6)
    before = running.ledger.state().champion.commit
    record = running.record(2, "kept", 0.7)
    opened = "refs/lab/x/open/0002-an-idea"
    running.repository.update_refs(
        [RefChange(opened, record.commit, ""), RefChange("refs/lab/x/open/0003-other", record.commit, "")]
    )
    running.ledger.append(record, candidate=record.commit)
    assert running.repository.ref(BEST) == before
    later = make_desk(folder)
    assert len(later.ledger.recover()) == 3 and later.ledger.recover() == []
    assert later.repository.ref(BEST) == record.commit
    assert later.repository.ref(f"refs/heads/{record.branch}") == record.commit
    assert later.repository.refs("refs/lab/x/open/") == {"refs/lab/x/open/0003-other": record.commit}
    assert later.ledger.verify() == []


def test_recovery_leaves_what_a_person_moved_and_needs_the_lease(running: Any) -> None:
    running.decide(1, "kept", 0.6)
    elsewhere = running.candidate(99)
    running.repository.update_refs([RefChange(BEST, elsewhere)])
    assert running.ledger.recover() == [] and running.repository.ref(BEST) == elsewhere
    running.repository.update_refs([RefChange(BEST, None)])
    with pytest.raises(RefConflict):
        running.ledger.recover([RefChange("refs/lab/x/lease", elsewhere, elsewhere)])
    assert running.repository.ref(BEST) is None


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from conftest import Desk
desk = Desk(Path(sys.argv[1]))


def decide():
    state = desk.ledger.state()
    number = state.next_number
    better = number % 3 == 0
    desk.decide(number, "kept" if better else "reverted", state.champion.value + 1 if better else 0.0)


decide()
print("ready", flush=True)
while True:
    decide()
"""


def test_kill_at_any_moment(running: Any, folder: Path, subreaper: None) -> None:
    made = 0
    for delay in (0.01, 0.05, 0.11, 0.2):
        before = {process.pid for process in psutil.Process().children()}
        child = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(folder), str(Path(__file__).parent)], stdout=subprocess.PIPE
        )
        assert child.stdout is not None and child.stdout.readline() == b"ready\n"
        time.sleep(delay)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        # git finishes a transaction that it was given whole, even when its parent is dead.
        settle(before)
        state = running.ledger.state()
        branches = running.repository.refs("refs/heads/lab/x/ideas/")
        assert branches == {f"refs/heads/{record.branch}": record.commit for record in state.ideas.values()}
        assert list(state.ideas) == list(range(1, len(state.ideas) + 1))
        kept = [record for record in state.ideas.values() if record.verdict == "kept"]
        assert running.repository.ref(BEST) == (kept[-1].commit if kept else running.base)
        assert len(running.ledger.records()) == 2 + len(state.ideas)
        assert running.ledger.verify() == [] and running.ledger.problems() == ()
        made = len(state.ideas)
    assert made > 0


def settle(before: set[int]) -> None:
    """Wait until whatever a dead child left has ended; as orphans these are this process's children."""
    while left := [process for process in psutil.Process().children() if process.pid not in before]:
        for process in left:
            process.wait()


class TwoWriters(RuleBasedStateMachine):
    """Two processes' views of one ledger, with conflicts and crashes before the transaction."""

    folder: Path
    make: Callable[[Path], Any]

    def __init__(self) -> None:
        super().__init__()
        self.desks = [type(self).make(type(self).folder) for _ in range(2)]
        ledger = self.desks[0].ledger
        for ref in self.desks[0].repository.refs("refs/heads/lab/") | self.desks[0].repository.refs(
            "refs/lab/"
        ):
            self.desks[0].repository.update_refs([RefChange(ref, None)])
        self.desks[0].lock()
        self.desks[0].campaign()
        self.model: dict[int, str] = {}
        self.champion = self.desks[0].base
        self.pending: tuple[int, Any, list[RefChange]] | None = None
        assert ledger.head()

    @rule(who=st.integers(0, 1), keep=st.booleans())
    def decide(self, who: int, keep: bool) -> None:
        desk = self.desks[who]
        number = desk.ledger.state().next_number
        record = desk.decide(number, "kept" if keep else "reverted", 0.5)
        self.model[number] = record.commit
        self.champion = record.commit if keep else self.champion

    @rule(who=st.integers(0, 1))
    @precondition(lambda self: self.pending is None)
    def prepare(self, who: int) -> None:
        desk = self.desks[who]
        record = desk.record(desk.ledger.state().next_number, "kept", 0.5)
        self.pending = (who, record, desk.changes(record))
        self.seen = desk.ledger.head()

    @rule()
    @precondition(lambda self: self.pending is not None)
    def late(self) -> None:
        assert self.pending is not None
        who, record, changes = self.pending
        self.pending = None
        desk = self.desks[who]
        if desk.ledger.head() == self.seen:
            desk.ledger.append(record, candidate=record.commit, changes=changes)
            self.model[record.number] = record.commit
            self.champion = record.commit
        else:
            with pytest.raises(RefConflict):
                desk.ledger.append(record, candidate=record.commit, changes=changes)

    @rule(who=st.integers(0, 1))
    def crash_before_the_transaction(self, who: int) -> None:
        desk = self.desks[who]
        desk.repository.commit(EMPTY_TREE, [desk.ledger.head()], "never referenced")
        self.desks[who] = type(self).make(type(self).folder)
        self.pending = None if self.pending and self.pending[0] == who else self.pending

    @invariant()
    def both_agree_with_git(self) -> None:
        desk = self.desks[0]
        branches = desk.repository.refs("refs/heads/lab/x/ideas/")
        assert {int(ref.split("/")[-1][:4]): oid for ref, oid in branches.items()} == self.model
        assert desk.repository.ref(BEST) == self.champion

    def teardown(self) -> None:
        for desk in self.desks:
            state = desk.ledger.state()
            assert {number: record.commit for number, record in state.ideas.items()} == self.model
            assert state.champion.commit == self.champion
            desk.repository.close()
        assert self.desks[0].ledger.verify() == []


def test_two_writers(folder: Path, make_desk: Callable[[Path], Any]) -> None:
    machine = type("Machine", (TwoWriters,), {"folder": folder, "make": staticmethod(make_desk)})
    run = settings(
        max_examples=8, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
    )
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(machine, settings=run)
