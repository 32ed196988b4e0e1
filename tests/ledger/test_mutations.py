"""What somebody who may write every object and ref could do to a ledger: each is found, and named."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from lab_plugin.ledger import Ledger, LockRecord
from lab_plugin.repository import RefChange
from tests.ledger.test_verify import AT, BEST, EXAMPLES, Book, Item, book, with_field

__all__ = ["book"]

# The records of `book`: 1 is the lock, 2 opens a campaign, 3 to 8 are the ideas 1 to 6, of which 2 and 4 are
# kept, 9 closes the campaign.
IDEA_3 = "refs/heads/lab/x/ideas/0003-an-idea"
Items = list[Item]


def dropped(book: Book) -> Items:
    return [*book.items[:4], *book.items[5:]]


def doubled(book: Book) -> Items:
    return [*book.items[:9], book.items[3], *book.items[9:]]


def swapped(book: Book) -> Items:
    items = list(book.items)
    items[3], items[5] = items[5], items[3]
    return items


def edited(book: Book) -> Items:
    return changed(book, 5, lambda item: with_field(item, "value", 0.25))


def renamed(book: Book) -> Items:
    return changed(book, 5, lambda item: with_field(item, "slug", "another"))


def taken_from_another_campaign(book: Book) -> Items:
    return changed(book, 5, lambda item: with_field(item, "campaign", 2))


def scored_under_another_lock(book: Book) -> Items:
    return changed(book, 5, lambda item: with_field(item, "digest", "0" * 64))


def given_another_parent(book: Book) -> Items:
    """Records 3 and 4 are passed over."""
    ids = book.repository.first_parent_ids(book.refs[book.ledger.ref])[::-1]
    return changed(book, 5, lambda item: replace(item, first=ids[2]))


def given_another_tree(book: Book) -> Items:
    tree = book.repository.tree_of(book.items[5].others[0])
    return changed(book, 5, lambda item: replace(item, tree=tree))


def given_another_candidate(book: Book) -> Items:
    return changed(book, 5, lambda item: replace(item, others=book.items[6].others))


def told_otherwise_in_its_subject(book: Book) -> Items:
    return changed(book, 5, lambda item: replace(item, message=item.message.replace("reverted", "kept", 1)))


def dated_otherwise(book: Book) -> Items:
    return changed(book, 5, lambda item: with_field(item, "at", AT.replace("2026", "2025")))


def written_in_another_way(book: Book) -> Items:
    def spaced(item: Item) -> Item:
        head, _, line = item.message.partition("\n\n")
        return replace(item, message=f"{head}\n\n{json.dumps(json.loads(line), sort_keys=True)}\n")

    return changed(book, 5, spaced)


def begun_elsewhere(book: Book) -> Items:
    return book.items[1:]


def crowned(book: Book) -> Items:
    """Idea 3, which was worse, made the champion; the next was compared with another."""
    return changed(book, 5, lambda item: with_field(item, "verdict", "kept"))


def locked_for_another_lab(book: Book) -> Items:
    return changed(book, 1, lambda item: with_field(item, "lab", "y"))


def of_another_lab(book: Book) -> Items:
    """A verdict of another lab, in the place of one of this."""
    other = book.items[5].record
    branch = other["branch"].replace("lab/x/", "lab/y/")
    return changed(book, 5, lambda item: with_field(item, "branch", branch))


def changed(book: Book, at: int, change: Callable[[Item], Item]) -> Items:
    return [*book.items[:at], change(book.items[at]), *book.items[at + 1 :]]


class Named(NamedTuple):
    """What has to be told of a change."""

    record: int
    idea: int | None
    what: str


CHAINS: dict[Callable[[Book], Items], Named] = {
    dropped: Named(4, 3, "it is not in its place in the ledger"),
    doubled: Named(9, 1, "idea 1 has a second verdict"),
    swapped: Named(3, 3, "it is not in its place in the ledger"),
    edited: Named(5, 3, "its value is not"),
    renamed: Named(5, 3, "idea 3 has another branch than its name says"),
    taken_from_another_campaign: Named(5, 3, "idea 3 belongs to campaign 2, which was not open"),
    scored_under_another_lock: Named(5, 3, "idea 3 was not scored under the lock in force"),
    given_another_parent: Named(3, 3, "it is not in its place in the ledger"),
    given_another_tree: Named(5, 3, "its tree is not the one of the record"),
    given_another_candidate: Named(5, 3, "its second parent is not the commit that the record names"),
    told_otherwise_in_its_subject: Named(5, 3, "its subject does not say what its record says"),
    dated_otherwise: Named(5, 3, "its author is not the lab at the record's time"),
    written_in_another_way: Named(5, None, "unreadable record: it is not canonical JSON"),
    begun_elsewhere: Named(0, None, "this is not the start of a ledger of the lab x"),
    crowned: Named(6, 4, "idea 4 was not compared with the champion of its time, idea 3"),
    locked_for_another_lab: Named(1, None, "it is a lock of the lab y"),
    of_another_lab: Named(5, 3, "idea 3 has another branch than its name says"),
}


def test_a_chain_that_was_written_anew(book: Book) -> None:
    missed: dict[str, list[str]] = {}
    for change, named in CHAINS.items():
        book.write(change(book))
        problems = Ledger(book.repository, "x").verify()
        assert all(problem.remedy for problem in problems)
        if not any(
            (problem.record, problem.idea) == named[:2] and problem.what.startswith(named.what)
            for problem in problems
        ):
            missed[change.__name__] = [str(problem) for problem in problems]
        book.restore()
    assert missed == {} and book.found() == []


def test_refs_that_were_moved(book: Book, desk: Any) -> None:
    commits = {item.record["number"]: item.others[0] for item in book.items[3:-1]}
    ids = book.repository.first_parent_ids(book.refs[book.ledger.ref])[::-1]
    best, idea, ledger = (
        "lab/x/best is not at the champion, idea 4",
        "the branch lab/x/ideas",
        book.ledger.ref,
    )
    cases: list[tuple[str, str | None, str]] = [
        # To an idea that was worse, to an earlier champion, away.
        (BEST, commits[3], best),
        (BEST, commits[2], best),
        (BEST, None, best),
        (IDEA_3, desk.base, f"{idea}/0003-an-idea is not at its commit"),
        (IDEA_3.replace("3-", "4-"), None, f"{idea}/0004-an-idea is missing"),
        (IDEA_3.replace("3-an-idea", "9-new"), commits[1], f"{idea}/0009-new has no record"),
        # Set back to before the last two ideas, whose branches tell.
        (ledger, ids[6], f"{idea}/0005-an-idea has no record"),
        (ledger, _other(book, desk), "this is not the start of a ledger of the lab x"),
    ]
    there = book.repository.refs("refs/")
    for ref, target, told in cases:
        book.repository.update_refs([RefChange(ref, target)])
        assert any(told in line for line in book.found()), (told, book.found())
        book.repository.update_refs([RefChange(ref, there.get(ref))])
    assert book.found() == []


def _other(book: Book, desk: Any) -> str:
    """The ledger of another lab of this repository."""
    record = LockRecord.model_validate({**book.items[1].record, "lab": "y", "sequence": 0})
    return str(Ledger(book.repository, "y").append(record, candidate=desk.base, tree=record.tree).commit)


@given(data=st.data())
@EXAMPLES
def test_any_other_order_or_choice_of_records(book: Book, data: st.DataObject) -> None:
    whole = list(range(1, len(book.items)))
    chosen = data.draw(st.lists(st.sampled_from(whole), max_size=12) | st.permutations(whole))
    # That the newest record is gone, and no branch with it, is known only to who saw it: `_memory` tells.
    if list(chosen) in (whole, whole[:-1]):
        return
    book.write([book.items[0], *(book.items[at] for at in chosen)])
    assert book.found()
    book.restore()
