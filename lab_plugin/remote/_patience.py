"""Waiting for a git remote that is gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from lab_plugin.errors import RemoteGone

T = TypeVar("T")
Tell = Callable[[str], None]
_FIRST, _LONGEST = 0.5, 30.0


async def patiently(call: Callable[[], T], tell: Tell, seconds: float = float("inf")) -> T:
    """Call something that speaks with a remote, in a thread, until the remote answers.

    Args:
        call: May be called again after `RemoteGone`.
        tell: Told once that it waits, and once that it goes on.
        seconds: To wait in all.

    Raises:
        RemoteGone: The remote was gone for so long.
        RemoteError: It refuses.
    """
    began, pause, told = time.monotonic(), _FIRST, False
    while True:
        try:
            answer = await asyncio.to_thread(call)
        except RemoteGone as error:
            if time.monotonic() - began + pause > seconds:
                raise
            if not told:
                tell(f"{error.message} It is tried again until it answers.")
                told = True
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST)
        else:
            if told:
                tell("The git remote answers again.")
            return answer
