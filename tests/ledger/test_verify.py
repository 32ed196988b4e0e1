"""Any single change of a valid ledger is found, whoever made it and however the rest is made to fit."""

import json
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab_plugin.idea import Idea, PlannedPoint
from lab_plugin.ledger import CampaignRecord, Ledger, LockRecord, VerdictRecord, canonical, line_of
from lab_plugin.ledger._codec import decode, subject, time_of
from lab_plugin.repository import EMPTY_TREE, Blob, RefChange, Repository

BEST = "refs/heads/lab/x/best"
AT = "2026-01-31T04:05:06Z"
VALUES = ((1, 0.1), (2, 0.6), (3, 0.2), (4, 0.8), (5, None), (6, 0.3))
EXAMPLES = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@dataclass
class Item:
    """One ledger commit, taken apart so that it can be written again."""

    message: str
    others: list[str]
    tree: str = EMPTY_TREE
    first: str | None = None

    @property
    def record(self) -> dict[str, Any]:
        return dict(json.loads(self.message.split("\n\n", 1)[1]))


@dataclass
class Book:
    """A valid ledger, and what is needed to write others like it."""

    repository: Repository
    ledger: Ledger
    refs: dict[str, str]
    items: list[Item] = field(default_factory=list)

    def write(self, items: list[Item]) -> None:
        """Write a chain of these items, each at the time of its record, and move the ledger to it."""
        head = ""
        for item in items:
            parent = item.first or head
            parents = [parent, *item.others] if parent else list(item.others)
            when = time_of(AT)
            head = self.repository.commit(item.tree, parents, item.message, when=when)
        self.repository.update_refs([RefChange(self.ledger.ref, head)])

    def restore(self) -> None:
        there = self.repository.refs("refs/")
        changes = [RefChange(ref, None) for ref in there.keys() - self.refs.keys()]
        changes += [RefChange(ref, oid) for ref, oid in self.refs.items() if there.get(ref) != oid]
        self.repository.update_refs(changes, beyond_lab=True)

    def found(self) -> list[str]:
        return [str(problem) for problem in Ledger(self.repository, "x").verify()]


def verdict(desk: Any, number: int, value: float | None) -> VerdictRecord:
    state = desk.ledger.state()
    params = {"a": number}
    tree = desk.repository.edit_tree(desk.tree, {"train.py": Blob(b"%d" % number)})
    idea = Idea(
        number=number, slug="an-idea", title=f"Idea {number}", hypothesis="h", strategy="tpe", campaign=1,
        epoch=1, parent=state.champion.commit, points=(PlannedPoint(tree=tree, params=params),), usd=0.25,
    )  # fmt: skip
    commit = desk.repository.commit(tree, [idea.parent], idea.message("x"))
    better = value is not None and value > state.champion.value
    return VerdictRecord(
        at=AT, number=number, slug=idea.slug, branch=f"lab/x/ideas/{idea.name}", campaign=1, epoch=1,
        strategy="tpe", title=idea.title, hypothesis="h", commit=commit, tree=tree, parents=(idea.parent,),
        verdict="kept" if better else "reverted" if value is not None else "crashed", reason="r",
        value=value, metrics={} if value is None else {"m": value, "other": 1.0}, params=params, usd=0.25,
        champion_value=None if value is None else state.champion.value,
        difference=None if value is None else value - state.champion.value, digest=state.lock.digest,
    )  # fmt: skip


@pytest.fixture
def book(desk: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Book]:
    monkeypatch.setattr("lab_plugin.ledger._verify._PAUSE", 0.0)
    desk.lock()
    desk.campaign(budget={"iterations": 6.0})
    for number, value in VALUES:
        record = verdict(desk, number, value)
        desk.ledger.append(record, candidate=record.commit, changes=desk.changes(record))
    desk.campaign(event="closed", budget={"iterations": 6.0})
    made = Book(desk.repository, desk.ledger, desk.repository.refs("refs/"))
    ids = desk.repository.first_parent_ids(desk.ledger.head())[::-1]
    for raw in desk.repository.raw_commits(ids):
        assert raw is not None
        made.items.append(Item(raw.message.decode(), list(raw.parents[1:]), raw.tree))
    assert made.found() == []
    made.write(made.items)
    assert desk.ledger.head() == made.refs[desk.ledger.ref], "written again, it is the same"
    yield made
    desk.repository.close()


def with_field(item: Item, name: str, value: Any) -> Item:
    """The item with one field changed, its text canonical and its subject as that record has it."""
    line = canonical({**item.record, name: value})
    try:
        head = subject(decode(line))
    except ValueError:
        head = item.message.partition("\n")[0]
    return replace(item, message=f"{head}\n\n{line}\n")


def changed(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case "kept":
            return "reverted"
        case "reverted" | "crashed":
            return "kept"
        case str():
            return value + "0" if not value or value[-1] != "0" else value[:-1] + "1"
        case list():
            return [*value, "0" * 40]
        case dict():
            return {**value, "m": -1.0}
        case None:
            return 1.0


BOUND = {
    "lock": {
        "at", "sequence", "lab", "epoch", "digest", "commit", "tree", "value", "metrics", "champion",
    },
    "campaign": {"at", "sequence", "campaign", "strategy", "fresh", "history_from"},
    "verdict": {
        "at", "sequence", "number", "slug", "branch", "campaign", "epoch", "strategy", "title", "hypothesis",
        "commit", "tree", "parents", "verdict", "value", "metrics", "champion_value", "difference", "params",
        "points", "usd", "digest", "details",
    },
}  # fmt: skip
"""Fields that are told twice; the others are bound by the chain's hashes alone."""


def test_every_field_of_a_record_that_is_told_twice(book: Book) -> None:
    missed: list[str] = []
    for at, item in enumerate(book.items[1:], 1):
        record = item.record
        for name in sorted(BOUND[record["kind"]] & record.keys()):
            # What a campaign opens with is told there only.
            if record.get("event") == "opened" and name in ("strategy", "fresh", "history_from"):
                continue
            items = list(book.items)
            items[at] = with_field(item, name, changed(record[name]))
            book.write(items)
            if not book.found():
                missed.append(f"record {at} {record['kind']}.{name}")
    book.restore()
    assert missed == [] and book.found() == []


@given(data=st.data())
@EXAMPLES
def test_records_moved_dropped_and_repeated(book: Book, data: st.DataObject) -> None:
    last = len(book.items) - 1
    items = list(book.items)
    kind = data.draw(st.sampled_from(["drop", "repeat", "swap", "cut"]))
    at = data.draw(st.integers(1, last - 1), label="at")
    match kind:
        case "drop":
            del items[at]
        case "repeat":
            items.insert(data.draw(st.integers(at + 1, last + 1), label="where"), items[at])
        case "swap":
            other = data.draw(st.integers(1, last).filter(lambda number: number != at), label="with")
            items[at], items[other] = items[other], items[at]
        case "cut":
            # Behind the records that stay lies a verdict whose branch is still there.
            items = items[: data.draw(st.integers(1, last - 1), label="length")]
    book.write(items)
    assert book.found()
    book.restore()
    assert book.found() == []


@given(data=st.data())
@EXAMPLES
def test_commits_that_are_about_something_else(book: Book, data: st.DataObject) -> None:
    ids = book.repository.first_parent_ids(book.refs[book.ledger.ref])
    strange = [*ids, *(item.others[0] for item in book.items if item.others)]
    items = list(book.items)
    at = data.draw(st.integers(1, len(items) - 1), label="at")
    item = items[at]
    match data.draw(st.sampled_from(["parent", "candidate", "tree", "none"])):
        case "parent":
            item = replace(item, first=data.draw(st.sampled_from(ids)))
            own = book.repository.first_parent_ids(book.refs[book.ledger.ref])[::-1][at - 1]
            if item.first == own:
                return
        case "candidate":
            other = data.draw(st.sampled_from(strange))
            if [other] == item.others:
                return
            item = replace(item, others=[other])
        case "tree":
            trees = [EMPTY_TREE, *(book.repository.tree_of(oid) for oid in strange)]
            tree = data.draw(st.sampled_from(trees))
            if tree == item.tree:
                return
            item = replace(item, tree=tree)
        case "none":
            if not item.others:
                return
            item = replace(item, others=[])
    items[at] = item
    book.write(items)
    assert book.found()
    book.restore()


@given(data=st.data())
@EXAMPLES
def test_refs_that_moved(book: Book, data: st.DataObject) -> None:
    verdicts = {f"refs/heads/{item.record['branch']}": item.record for item in book.items[3:-1]}
    ref = data.draw(st.sampled_from([BEST, *verdicts]))
    target = data.draw(st.sampled_from(sorted({*book.refs.values()} - {book.refs[ref]}) + [None]))
    book.repository.update_refs([RefChange(ref, target)])
    cleaned = target is None and ref in verdicts and verdicts[ref]["verdict"] != "kept"
    assert bool(book.found()) is not cleaned
    book.restore()


@given(data=st.data())
@EXAMPLES
def test_bytes_that_changed_beneath_their_id(book: Book, folder: Path, data: st.DataObject) -> None:
    ids = book.repository.first_parent_ids(book.refs[book.ledger.ref])
    candidates = [item.others[0] for item in book.items if item.others]
    oid = data.draw(st.sampled_from([*ids, *candidates]))
    file = folder / ".git/objects" / oid[:2] / oid[2:]
    before = file.read_bytes()
    head, _, body = zlib.decompress(before).partition(b"\0")
    position = data.draw(st.integers(0, len(body) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != body[position]))
    changed = body[:position] + bytes([byte]) + body[position + 1 :]
    os.chmod(file, 0o644)
    try:
        file.write_bytes(zlib.compress(head + b"\0" + changed))
        book.repository.close()
        assert book.found()
    finally:
        file.write_bytes(before)
        book.repository.close()


def test_a_candidate_with_another_proposal(book: Book) -> None:
    """The record and its commit agree; what the proposer said is another thing."""
    items = list(book.items)
    record = decode(line_of(items[3].message.encode()))
    assert isinstance(record, VerdictRecord)
    message = book.repository.commit_message(record.commit).replace("Idea 1", "Idea 9")
    commit = book.repository.commit(record.tree, record.parents, message)
    items[3] = replace(with_field(items[3], "commit", commit), others=[commit])
    book.write(items)
    book.repository.update_refs([RefChange(f"refs/heads/{record.branch}", commit)])
    assert any("its title is not that of the proposal" in line for line in book.found())


def test_what_does_not_match_is_named(book: Book) -> None:
    items = list(book.items)
    items[4] = with_field(items[4], "value", 0.7)
    book.write(items)
    problem = Ledger(book.repository, "x").verify()[0]
    assert (problem.record, problem.idea) == (4, 2)
    assert (problem.expected, problem.found) == ("0.6", "0.7")
    assert "record 4" in str(problem) and "expected 0.6, found 0.7" in str(problem)
    assert "Compare with a clone" in problem.remedy


def test_a_ledger_of_before_positions_is_whole(book: Book) -> None:
    items = [book.items[0], *(with_field(item, "sequence", 0) for item in book.items[1:])]
    book.write(items)
    assert book.found() == []
    mixed = [*book.items[:4], *items[4:]]
    book.write(mixed)
    assert any("not in its place" in line for line in book.found())


def test_a_missing_candidate_and_a_missing_link(book: Book, folder: Path) -> None:
    candidate = book.items[3].others[0]
    file = folder / ".git/objects" / candidate[:2] / candidate[2:]
    data = file.read_bytes()
    file.unlink()
    book.repository.close()
    assert any(f"the candidate {candidate[:12]} is missing" in line for line in book.found())
    file.write_bytes(data)
    link = book.repository.first_parent_ids(book.refs[book.ledger.ref])[3]
    (folder / ".git/objects" / link[:2] / link[2:]).unlink()
    book.repository.close()
    assert any("cannot be read back" in line for line in book.found())


@pytest.mark.parametrize("record", [CampaignRecord, LockRecord])
def test_a_verdict_that_comes_while_the_ledger_is_read(
    book: Book, monkeypatch: pytest.MonkeyPatch, desk: Any, record: type
) -> None:
    """The refs are listed after the chain was read; an idea in between is no fault."""
    real: Callable[[str], dict[str, str]] = book.repository.refs
    late = [True]

    def refs(prefix: str) -> dict[str, str]:
        if late and prefix.startswith("refs/heads/"):
            late.clear()
            desk.campaign(2)
            made = verdict(desk, 7, 0.9).model_copy(update={"campaign": 2})
            desk.ledger.append(made, candidate=made.commit, changes=desk.changes(made))
        return real(prefix)

    monkeypatch.setattr(book.repository, "refs", refs)
    assert book.found() == []
