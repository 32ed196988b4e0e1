"""What waits and what is under way, as a person asks for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lab_plugin.errors import LabError, LedgerError
from lab_plugin.idea import Idea
from lab_plugin.lab import Lab
from lab_plugin.ledger import Word
from lab_plugin.lookup import find_idea
from lab_plugin.queue._phases import Phases
from lab_plugin.queue._store import WishStore
from lab_plugin.queue._wishes import Wishes
from lab_plugin.repository import holder

_REMEDY = "`lab queue` lists the ideas that have no verdict yet."


@dataclass(frozen=True)
class Waiting:
    """An idea that has no verdict yet.

    Attributes:
        number: Its number.
        name: Last part of its branch; empty while it is being proposed.
        title: Its title.
        strategy: Who made it.
        state: `queued`, `waits for idea 7`, `held`, `paused`, `to be cancelled`, or what is done with it:
            `proposing`, `executing`, `evaluating`, `comparing`; `set aside` when it cannot be read.
        priority: The highest goes first.
        after: Ideas that it runs after.
        only_if_kept: Those of them that must be kept.
    """

    number: int
    name: str
    title: str
    strategy: str
    state: str
    priority: int
    after: tuple[int, ...] = ()
    only_if_kept: tuple[int, ...] = ()


def open_ideas(lab: Lab) -> tuple[dict[int, Idea], dict[int, str]]:
    """Every proposal that has no verdict yet.

    Returns:
        Number -> idea, and number -> name of those that cannot be read.
    """
    ideas: dict[int, Idea] = {}
    unread: dict[int, str] = {}
    for ref, commit in lab.repository.refs(lab.open_prefix).items():
        name = ref.removeprefix(lab.open_prefix)
        number = name.partition("-")[0]
        try:
            idea = Idea.from_commit(commit, lab.repository.commit_message(commit))
            if idea.name != name:
                raise LedgerError(f"The open idea {name} has the name {idea.name}.")
            ideas[idea.number] = idea
        except LabError:
            if number.isascii() and number.isdecimal():
                unread[int(number)] = name
    return ideas, unread


def overview(lab: Lab) -> list[Waiting]:
    """Every idea that has no verdict yet: what is under way first, then in the order in which they start.

    Raises:
        LabError: The wishes cannot be read.
    """
    wishes = WishStore(lab.repository, lab.queue_ref).read()
    ideas, unread = open_ideas(lab)
    phases = _phases(lab)
    ledger = lab.ledger.state()
    decided = {number: record.verdict for number, record in ledger.ideas.items()}
    reached = {result.number: f"waits at {result.tier}" for result in ledger.results}
    states = {**reached, **phases}
    rows = [
        _waiting(idea, wishes, phases, decided, states.get(idea.number, "queued"))
        for idea in ideas.values()
        if idea.number not in decided
    ]
    rows += [Waiting(number, name, "", "", "set aside", 0) for number, name in unread.items()]
    known = {row.number for row in rows} | decided.keys()
    rows += [Waiting(number, "", "", "", phase, 0) for number, phase in phases.items() if number not in known]
    return sorted(rows, key=lambda row: (row.number not in phases, -row.priority, row.number))


def find_waiting(lab: Lab, text: str) -> Waiting:
    """An idea that has no verdict yet.

    Args:
        lab: The lab.
        text: Its number (`7`, `0007`), or its branch or the last part of it.

    Raises:
        LabError: There is none such, or it has its verdict.
    """
    rows = overview(lab)
    name = text.rpartition("/")[2]
    numbered = int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None
    for row in rows:
        if row.number == numbered or (row.name and name in (row.name, row.name.partition("-")[2])):
            return row
    try:
        record = find_idea(lab, text)
    except LabError:
        raise LabError(f"No open idea of the lab {lab.name} fits {text!r}.", _REMEDY) from None
    raise LabError(f"Idea {record.number} is decided already: {record.verdict}.", _REMEDY)


def _phases(lab: Lab) -> Mapping[int, str]:
    """Idea -> what is done with it, by a campaign that lives."""
    if holder(lab.repository, lab.lease_ref) is None:
        return {}
    return Phases(lab.folder).read()


def _waiting(
    idea: Idea, wishes: Wishes, phases: Mapping[int, str], decided: Mapping[int, Word], state: str
) -> Waiting:
    number = idea.number
    before = [other for other in (*idea.after, *idea.only_if_kept) if other not in decided]
    if number in wishes.cancelled:
        state = "to be cancelled"
    elif number in wishes.held:
        state = "held" if number not in phases else f"held, {state}"
    elif number not in phases and before:
        state = f"waits for idea{'s' if len(before) > 1 else ''} {', '.join(map(str, sorted(set(before))))}"
    elif number not in phases and wishes.paused:
        state = "paused"
    return Waiting(
        number,
        idea.name,
        idea.title,
        idea.strategy,
        state,
        wishes.priorities.get(number, idea.priority),
        tuple(sorted({*idea.after, *idea.only_if_kept})),
        idea.only_if_kept,
    )
