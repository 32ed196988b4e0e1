"""What every command takes, and how it answers."""

from __future__ import annotations

import json
import sys
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from lab_plugin.lab import Lab

LabOption = Annotated[
    Path | None,
    typer.Option(
        "--lab", metavar="PATH", help="The lab's folder or lab.toml (default: the nearest upwards)."
    ),
]
T = TypeVar("T")
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@contextmanager
def opened(path: Path | None, *, current: bool = False, reads: bool = False) -> Iterator[Lab]:
    """The lab at a path, closed afterwards.

    Args:
        path: A folder, or a `lab.toml`; None for the current folder.
        current: With what its Prefect blocks say now; without, as they were known last, and without any API.
        reads: For a command that tells what is in the ledger, and takes nothing in from a git remote.

    Raises:
        RepositoryError, LockError: It only reads, and the lab's ledger was never brought into this clone.
    """
    from lab_plugin.lab import Lab
    from lab_plugin.opening import open_current

    lab = open_current(path) if current else Lab.open(path)
    try:
        if reads and lab.repository.ref(lab.ledger.ref) is None:
            from lab_plugin.sharing import require_ledger

            require_ledger(lab)
        yield lab
    finally:
        lab.close()


@contextmanager
def told() -> Iterator[None]:
    """Print what the owner should know at once on stderr, for as long as the context lasts."""
    from lab_plugin.events import Event, Notice, subscribed

    def tell(event: Event) -> None:
        if isinstance(event, Notice):
            print(event.text, file=sys.stderr, flush=True)

    with subscribed(tell):
        yield


def awaited(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end.

    Only here is asyncio imported, a third of the start of a command that has no use for it.
    """
    import asyncio

    return asyncio.run(work)


def print_json(value: Any) -> None:
    """Print a value as one JSON document."""
    print(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def print_untrusted(text: str) -> None:
    """Print what a candidate wrote: raw into a file or pipe, without control characters on a terminal."""
    if sys.stdout.isatty():
        text = "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)
    sys.stdout.write(text)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print left-aligned columns, as wide as their longest cell."""
    table = [header, *rows]
    widths = [max(len(row[index]) for row in table) for index in range(len(header))]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def number(value: float | None) -> str:
    """A value as people read it; "-" where there is none."""
    return "-" if value is None else f"{value:.6g}"
