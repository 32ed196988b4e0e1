"""The queue from the terminal: what waits, what goes in, and what the owner wishes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab_plugin.cli._options import JsonOption, LabOption, opened, print_json, print_table, told
from lab_plugin.errors import LabError

if TYPE_CHECKING:
    from lab_plugin.lab import Lab
    from lab_plugin.queue import Wishes, WishStore

IdeasArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[IDEA...]", help="Number or branch; none for the whole queue.")
]
SomeIdeasArgument = Annotated[list[str], typer.Argument(metavar="IDEA...", help="Number or branch.")]


def add(
    revision: Annotated[
        str,
        typer.Argument(metavar="[REV]", help="Commit or branch; its changes to the champion are the idea."),
    ] = "",
    param: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Instead of REV: other parameters.")
    ] = None,
    title: Annotated[str, typer.Option(help="A few words; default: the commit's own.")] = "",
    priority: Annotated[int, typer.Option(help="-1000 to 1000; the highest goes first.")] = 0,
    after: Annotated[
        list[str] | None, typer.Option(metavar="IDEA", help="Runs after this idea has its verdict.")
    ] = None,
    only_if_kept: Annotated[
        list[str] | None, typer.Option(metavar="IDEA", help="Runs only if this idea is kept.")
    ] = None,
    lab: LabOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put an idea of your own into the queue; the running campaign, or the next one, tries it."""
    from lab_plugin.queue import Addition, add_idea, find_waiting
    from lab_plugin.sharing import beside

    if bool(revision) == bool(param):
        raise typer.BadParameter("give a commit or branch, or --param NAME=VALUE")
    with opened(lab) as this, told():
        with beside(this) as shared:
            idea = add_idea(
                this,
                Addition(
                    revision=revision,
                    params=_pairs(param or ()),
                    title=title,
                    priority=priority,
                    after=tuple(_number(this, text) for text in after or ()),
                    only_if_kept=tuple(_number(this, text) for text in only_if_kept or ()),
                ),
            )
        # Somebody else may have published an idea of that number first.
        found = find_waiting(this, str(shared.renumbered.get(idea.number, idea.number)))
        if as_json:
            print_json(vars(found))
        else:
            print(f"idea {found.number} ({found.name}): {found.state}")


def queue(lab: LabOption = None, as_json: JsonOption = False) -> None:
    """The ideas that have no verdict yet, in the order in which they start."""
    from lab_plugin.queue import overview

    with opened(lab, reads=True) as this:
        rows, paused = overview(this), _store(this).read().paused
    if as_json:
        print_json({"lab": this.name, "paused": paused, "ideas": [vars(row) for row in rows]})
        return
    if paused:
        print("The queue is paused; `lab resume` goes on.")
    header = ("idea", "state", "priority", "strategy", "title")
    table = [
        (f"{row.number:04d}", row.state, str(row.priority), row.strategy or "-", row.title[:60] or "-")
        for row in rows
    ]
    print_table(header, table)


def pause(ideas: IdeasArgument = None, lab: LabOption = None, as_json: JsonOption = False) -> None:
    """Start nothing new, of the whole queue or of some ideas; programs that run go on to their end."""
    with _changing(lab) as this:
        numbers = _open_numbers(this, ideas or ())
        if numbers:
            _apply(this, lambda wishes: replace(wishes, held=wishes.held | numbers), numbers, "held", as_json)
        else:
            _apply(this, lambda wishes: replace(wishes, paused=True), numbers, "paused", as_json)


def resume(ideas: IdeasArgument = None, lab: LabOption = None, as_json: JsonOption = False) -> None:
    """Let the queue go on, or some ideas."""
    with _changing(lab) as this:
        numbers = _open_numbers(this, ideas or ())
        if numbers:
            _apply(
                this, lambda wishes: replace(wishes, held=wishes.held - numbers), numbers, "resumed", as_json
            )
        else:
            _apply(this, lambda wishes: replace(wishes, paused=False), numbers, "resumed", as_json)


def cancel(ideas: SomeIdeasArgument, lab: LabOption = None, as_json: JsonOption = False) -> None:
    """End ideas at once, undecided; a campaign that runs ends their programs."""
    with _changing(lab) as this:
        numbers = _open_numbers(this, ideas)
        edit = lambda wishes: replace(wishes, cancelled=wishes.cancelled | numbers)  # noqa: E731
        _apply(this, edit, numbers, "to be cancelled", as_json)


def prioritize(
    idea: Annotated[str, typer.Argument(metavar="IDEA", help="Number or branch.")],
    priority: Annotated[int, typer.Argument(metavar="N", help="-1000 to 1000; the highest goes first.")],
    lab: LabOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give an idea another priority among those that wait."""
    from lab_plugin.queue import MOST_PRIORITY

    if abs(priority) > MOST_PRIORITY:
        raise LabError(f"A priority is from -{MOST_PRIORITY} to {MOST_PRIORITY}, not {priority}.")
    with _changing(lab) as this:
        numbers = _open_numbers(this, [idea])
        (number,) = numbers

        def edit(wishes: Wishes) -> Wishes:
            return replace(wishes, priorities={**wishes.priorities, number: priority})

        _apply(this, edit, numbers, f"priority {priority}", as_json)


@contextmanager
def _changing(path: Path | None) -> Iterator[Lab]:
    """The lab, to change what is wished of its queue in all clones."""
    from lab_plugin.sharing import beside

    with opened(path) as lab, told(), beside(lab):
        yield lab


def _store(lab: Lab) -> WishStore:
    from lab_plugin.queue import WishStore

    return WishStore(lab.repository, lab.queue_ref)


def _apply(
    lab: Lab, edit: Callable[[Wishes], Wishes], numbers: frozenset[int], done: str, as_json: bool
) -> None:
    """Change the wishes, read them back, and say what holds now."""
    wishes = _store(lab).change(edit)
    # Another one may have changed them meanwhile; what is said is what is so now.
    held = edit(wishes) == wishes
    if as_json:
        print_json({"ideas": sorted(numbers), "done": done, "applied": held, "paused": wishes.paused})
    else:
        what = ", ".join(f"idea {number}" for number in sorted(numbers)) or "the queue"
        print(f"{what}: {done}" if held else f"{what}: changed again by somebody else; see `lab queue`")


def _open_numbers(lab: Lab, ideas: Sequence[str]) -> frozenset[int]:
    from lab_plugin.queue import find_waiting

    return frozenset(find_waiting(lab, text).number for text in ideas)


def _number(lab: Lab, text: str) -> int:
    """The number of an idea, open or decided."""
    from lab_plugin.lookup import find_idea
    from lab_plugin.queue import find_waiting

    try:
        return find_waiting(lab, text).number
    except LabError:
        return find_idea(lab, text).number


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    pairs = [_pair(text) for text in texts]
    names = [name for name, _ in pairs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise typer.BadParameter(f"given more than once: {', '.join(twice)}")
    return dict(pairs)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE")
    return name, value
