"""Graphics cards of a worker's machine: each trial has its own, whichever process runs it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from lab_plugin.errors import FleetError

_POLL_SECONDS = 0.5


@asynccontextmanager
async def cards_held(
    folder: Path, cards: Sequence[str], count: int, jobs_per_gpu: int = 1
) -> AsyncIterator[tuple[str, ...]]:
    """Hold cards until the context ends, or this process does; wait until there are enough.

    Args:
        folder: Holds a lock file per card and job; the same for all processes of the machine's lab user.
        cards: Ids of those that this worker may use.
        count: How many different ones.
        jobs_per_gpu: Jobs that may share a card.

    Raises:
        FleetError: There are not so many.
    """
    if count > len(cards):
        raise FleetError(f"The tier asks for {count} graphics cards, and this worker has {len(cards)}.")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    while True:
        with ExitStack() as stack:
            held: list[str] = []
            for place in range(jobs_per_gpu):
                for card in cards:
                    if len(held) < count and card not in held and _hold(folder, card, place, stack):
                        held.append(card)
            if len(held) == count:
                yield tuple(held)
                return
        await asyncio.sleep(_POLL_SECONDS)


def _hold(folder: Path, card: str, place: int, stack: ExitStack) -> bool:
    name = re.sub(r"[^A-Za-z0-9-]", "_", card)
    descriptor = os.open(folder / f"{name}.{place}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    stack.callback(os.close, descriptor)
    return True
