"""`[resources]`: what of this machine a campaign may use."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, PlainValidator

from lab_plugin.config._fields import Cores
from lab_plugin.config._space import Table

_CARD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./:=-]{0,127}")
_MOST_CARDS = 1_024


def _check_cards(value: object) -> int | tuple[str, ...]:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_CARDS:
        return value
    if not isinstance(value, list | tuple) or len(value) > _MOST_CARDS:
        raise ValueError('must be a number of cards, such as 2, or a list of their ids, such as ["0", "1"]')
    ids = tuple(_card(entry) for entry in value)
    if twice := [name for name in ids if ids.count(name) > 1]:
        raise ValueError(f'"{twice[0]}" is given twice')
    return ids


def _card(value: object) -> str:
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not _CARD.fullmatch(text):
        raise ValueError('a card has an index or an id, such as 0 or "GPU-5c7d..."; `nvidia-smi -L` has them')
    return text


class Resources(Table):
    """`[resources]`: what the runs of a campaign share; it is no part of the lock.

    Attributes:
        cpus: Cores; None for the larger of those of the machine and one per iteration in parallel.
        gpus: So many of the machine's cards, or the ids of cards; None for all that the machine has.
        jobs_per_gpu: Candidates that may share a card.
    """

    cpus: Cores | None = None
    gpus: Annotated[int | tuple[str, ...], PlainValidator(_check_cards)] | None = None
    jobs_per_gpu: Annotated[int, Field(ge=1, le=1_024)] = 1
