"""`lab add`: an idea of the owner's own, put into the queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from lab_plugin import parameters
from lab_plugin.config import LOCK_FILE, CategoricalParameter, FloatParameter, IntParameter
from lab_plugin.errors import LabError, LockError, RepositoryError
from lab_plugin.idea import Idea, PlannedPoint
from lab_plugin.lab import Lab
from lab_plugin.ledger import Champion
from lab_plugin.proposers import clean_block, clean_line
from lab_plugin.queue._numbers import Numbers
from lab_plugin.queue._overview import open_ideas
from lab_plugin.queue._store import WishStore
from lab_plugin.queue._wishes import MOST_PRIORITY, Wishes
from lab_plugin.repository import Blob, RefChange, WorkspacePool, may_change, take_in
from lab_plugin.scratch import scratch
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
        raise LockError(f"The lab {lab.name} is not locked yet.", "Run `lab lock`.")
    lab.require_own(record)
    if abs(wanted.priority) > MOST_PRIORITY:
        raise LabError(f"A priority is from -{MOST_PRIORITY} to {MOST_PRIORITY}, not {wanted.priority}.")
    _require_sound(lab, wanted)
    point, title, body = (
        _of_params(lab, wanted, champion) if wanted.params else _of_commit(lab, wanted, champion)
    )
    tree = lab.repository.tree_of(champion.commit)
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


def _of_commit(lab: Lab, wanted: Addition, champion: Champion) -> tuple[PlannedPoint, str, str]:
    """The changes of a commit since it parted from the champion, upon the champion."""
    repository = lab.repository
    commit = repository.resolve(wanted.revision)
    try:
        merged = repository.merge_trees(champion.commit, commit)
    except RepositoryError as error:
        raise LabError(
            f"{wanted.revision} does not go onto the champion: {error.message}",
            f"Make it from the champion: git switch -c my-idea {lab.best_branch}",
        ) from None
    base, allowed = repository.tree_of(champion.commit), lab.candidate_paths()
    # `lab lock` puts it beside the code, and many commit it with that; no program sees it.
    own = lab.path(LOCK_FILE)
    there = repository.entries(base).get(own)
    blob = Blob(data=repository.read_blob(there.oid)) if there is not None else None
    merged = repository.edit_tree(merged, {own: blob})
    for change in repository.changes(base, merged):
        if lab.hides(change.path) or not may_change(change.path, allowed):
            raise LabError(
                f"{wanted.revision} changes {change.path}, which is not in candidate.paths.",
                "An idea changes those alone; leave the rest out of the commit.",
            )
    with scratch(_made(lab)) as folder:
        pool = WorkspacePool(repository, folder, lab.hides)
        with pool.private(merged) as workspace:
            taken = take_in(repository, workspace.path, base, allowed, lab.hides)
    title, _, body = repository.commit_message(commit).strip().partition("\n")
    return PlannedPoint(tree=taken.tree), title, body.strip()


def _of_params(lab: Lab, wanted: Addition, champion: Champion) -> tuple[PlannedPoint, str, str]:
    """The champion with other values in its parameter file."""
    space = lab.config.search_space
    if space is None:
        raise LabError(
            "The lab has no [search_space], so it has no parameters.", "Give a commit or a branch."
        )
    given: dict[str, Any] = {}
    for name, text in wanted.params.items():
        if name not in space.parameters:
            known = ", ".join(space.parameters)
            raise LabError(f"There is no parameter {name!r} in [search_space].", f"There are: {known}.")
        given[name] = _value(name, space.parameters[name], text)
    repository, path = lab.repository, lab.path(space.file)
    tree, form = repository.tree_of(champion.commit), parameters.format_of(space.file)
    there = repository.entries(tree, str(PurePosixPath(path).parent))
    existing = repository.read_file(tree, path) if PurePosixPath(path).name in there else None
    rendered = parameters.render(existing, form, space.key, given, path=path)
    names = tuple(space.parameters)
    params = parameters.read(rendered, form, space.key, names, path=path)
    title = ", ".join(f"{name} {value}" for name, value in given.items())
    return (
        PlannedPoint(tree=repository.edit_tree(tree, {path: Blob(data=rendered)}), params=params),
        title,
        "",
    )


def _value(name: str, parameter: FloatParameter | IntParameter | CategoricalParameter, text: str) -> Any:
    """The value that a text stands for, within the parameter's range.

    Raises:
        LabError: It is none, or outside.
    """
    if isinstance(parameter, CategoricalParameter):
        for choice in parameter.choices:
            if text in (str(choice), str(choice).lower() if isinstance(choice, bool) else str(choice)):
                return choice
        raise LabError(f"{name} has the choices {', '.join(map(str, parameter.choices))}, not {text!r}.")
    number = int if isinstance(parameter, IntParameter) else float
    try:
        value = number(text)
    except ValueError:
        what = "a whole number" if number is int else "a number"
        raise LabError(f"{name} is {what}, not {text!r}.") from None
    if not parameter.low <= value <= parameter.high:
        raise LabError(f"{name} is from {parameter.low} to {parameter.high}, not {text}.")
    return value


def _made(lab: Lab) -> Path:
    lab.folder.mkdir(parents=True, exist_ok=True)
    return lab.folder
