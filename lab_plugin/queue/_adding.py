"""`lab add`: an idea of the owner's own, put into the queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from lab_plugin.errors import LabError
from lab_plugin.idea import Idea
from lab_plugin.lab import Lab
from lab_plugin.lab_branches import not_locked
from lab_plugin.lock_in_force import require_own
from lab_plugin.owner_points import point_of_revision, point_of_values
from lab_plugin.proposers import clean_block, clean_line
from lab_plugin.queue._numbers import Numbers
from lab_plugin.queue._overview import open_ideas
from lab_plugin.queue._store import WishStore
from lab_plugin.queue._wishes import MOST_PRIORITY, Wishes
from lab_plugin.repository import RefChange
from lab_plugin.seed_only import is_seed_only
from lab_plugin.slug import slug

STRATEGY = "owner"
_TITLE = 100
_HYPOTHESIS = 4_000


@dataclass(frozen=True, kw_only=True)
class Addition:
    """What the owner puts into the queue.

    Attributes:
        revision: Commit or branch that holds the change; empty for a change of parameters.
        params: Parameter -> text of its value.
        title: A few words; empty for the commit's own, or the parameters.
        priority: -1,000 to 1,000; the highest goes first.
        after: Ideas that must have their verdict first.
        only_if_kept: Ideas that must be kept first.
    """

    revision: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    priority: int = 0
    after: tuple[int, ...] = ()
    only_if_kept: tuple[int, ...] = ()


def add_idea(lab: Lab, wanted: Addition) -> Idea:
    """Put an idea into the queue; a campaign that runs takes it up at once, otherwise the next one does.

    Raises:
        LabError: It changes nothing, nothing but a seed, something that no idea may change, or conflicts with
            the champion; its parameters are none of the search space; or it depends on what is unknown, can
            never be, or waits in a circle.
    """
    state = lab.ledger.state()
    champion, record = state.champion, state.lock
    if champion is None or record is None:
        raise not_locked(lab)
    require_own(lab, record)
    if abs(wanted.priority) > MOST_PRIORITY:
        raise LabError(f"A priority is from -{MOST_PRIORITY} to {MOST_PRIORITY}, not {wanted.priority}.")
    _require_sound(lab, wanted)
    tree = lab.repository.tree_of(champion.commit)
    if wanted.params:
        point = point_of_values(lab, tree, wanted.params)
        title, body = ", ".join(f"{name} {point.params[name]}" for name in wanted.params), ""
    else:
        point, title, body = point_of_revision(lab, wanted.revision, champion.commit)
    if point.tree == tree:
        raise LabError("The idea changes nothing: the champion is the same.", "Change something in it.")
    if is_seed_only(lab.repository, tree, point.tree):
        raise LabError(
            "The idea changes nothing but a seed, and what another seed gives is luck.",
            "Change something else in it; `lab rerun IDEA` runs an idea on further seeds.",
        )
    redact = lab.redactor.text
    title = clean_line(redact(wanted.title or title), _TITLE) or "an idea of the owner's"
    draft = Idea(
        number=0,
        slug=slug(title),
        title=title,
        hypothesis=clean_block(redact(body), _HYPOTHESIS),
        strategy=STRATEGY,
        campaign=state.campaign.number if state.campaign else state.next_campaign,
        epoch=record.epoch,
        parent=champion.commit,
        points=(point,),
        priority=wanted.priority,
        after=tuple(sorted({*wanted.after} - {*wanted.only_if_kept})),
        only_if_kept=tuple(sorted({*wanted.only_if_kept})),
    )
    return _open(lab, draft)


def _open(lab: Lab, draft: Idea) -> Idea:
    """Number an idea, and keep it under its open ref, in one transaction."""
    store, opened = WishStore(lab.repository, lab.queue_ref), draft

    def open_as(number: int) -> Sequence[RefChange]:
        nonlocal opened
        opened = draft.model_copy(update={"number": number})
        message = opened.message(lab.name)
        commit = lab.repository.commit(opened.points[0].tree, [opened.parent], message)
        opened = opened.model_copy(update={"commit": commit})
        return [RefChange(lab.open_prefix + opened.name, commit, ""), *store.planned(tell)]

    def tell(wishes: Wishes) -> Wishes:
        return replace(wishes, added=wishes.added | {opened.number})

    Numbers(lab).claim(open_as)
    return opened


def _require_sound(lab: Lab, wanted: Addition) -> None:
    """See that what an idea depends on is there, can still happen, and does not wait in a circle."""
    ideas, _ = open_ideas(lab)
    decided = lab.ledger.state().ideas
    for number in (*wanted.after, *wanted.only_if_kept):
        if number not in ideas and number not in decided:
            raise LabError(
                f"There is no idea {number} to run after.", "`lab queue` and `lab results` list them."
            )
        if number in wanted.only_if_kept and number in decided and decided[number].verdict != "kept":
            word = decided[number].verdict
            raise LabError(f"Idea {number} was {word}: what runs only if it is kept would never run.")
    pending = [*wanted.after, *wanted.only_if_kept]
    for start in pending:
        if circle := _circle(ideas, start):
            shown = " -> ".join(map(str, circle))
            raise LabError(f"Idea {start} waits in a circle: {shown}.", f"Cancel one: lab cancel {circle[0]}")


def _circle(ideas: Mapping[int, Idea], start: int) -> list[int]:
    """A way from an idea back to one on the way, by what each runs after; empty where there is none."""
    way: list[int] = []
    done: set[int] = set()
    stack = [(start, False)]
    while stack:
        number, leaving = stack.pop()
        if leaving:
            way.pop()
            done.add(number)
        elif number in way:
            return [*way[way.index(number) :], number]
        elif number not in done and number in ideas:
            way.append(number)
            stack.append((number, True))
            idea = ideas[number]
            stack += [(other, False) for other in (*idea.after, *idea.only_if_kept)]
    return []
