"""The GPUs of this machine, found without any library of NVIDIA's."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_SECONDS = 20.0
_DRIVER = Path("/proc/driver/nvidia/gpus")
_LINE = re.compile(r"^(\s*)(?:GPU (\d+)|MIG \S+\s+Device\s+\d+):.*\(UUID: ([A-Za-z0-9/-]{1,120})\)\s*$")
_UUID = re.compile(r"^GPU UUID:\s*(GPU-[0-9a-fA-F-]{8,60})\s*$", re.MULTILINE)
_MINOR = re.compile(r"^Device Minor:\s*(\d{1,6})\s*$", re.MULTILINE)


class _Card(NamedTuple):
    """A card, or a part of one that its owner has cut off.

    Attributes:
        place: Index of the whole card.
        name: Id that an engine and CUDA know it by.
        part: It is a part of a card.
    """

    place: int
    name: str
    part: bool = False


def find_cards(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Ids of the cards that this process may use, in the machine's order.

    `nvidia-smi` is asked, and where there is none the driver's files. `CUDA_VISIBLE_DEVICES`, or else
    `NVIDIA_VISIBLE_DEVICES`, leaves those that it names. A card that is cut into parts (MIG) counts as its
    parts. Ids hold in a container and outside of it, indices do not.

    Args:
        environment: Whose restrictions hold.
    """
    cards = _from_program() or _from_driver()
    wanted = environment.get("CUDA_VISIBLE_DEVICES")
    if wanted is None:
        wanted = environment.get("NVIDIA_VISIBLE_DEVICES", "all").strip() or "all"
        # In a container that was given so many, no other is in sight, and these have new indices.
        if wanted == "all" or len(wanted.split(",")) == len(cards):
            return tuple(card.name for card in cards)
    return _named(cards, [name.strip() for name in wanted.split(",")])


def _from_program() -> list[_Card]:
    try:
        said = subprocess.run(
            ["nvidia-smi", "-L"],
            capture_output=True,
            timeout=_SECONDS,
            check=True,
            stdin=subprocess.DEVNULL,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    cards: list[_Card] = []
    whole = -1
    for line in said.decode("utf-8", "replace").splitlines():
        if (found := _LINE.match(line)) is None:
            continue
        part = found[2] is None
        whole = whole if part else int(found[2])
        cards.append(_Card(whole, found[3], part))
    cut = {card.place for card in cards if card.part}
    return [card for card in cards if card.part or card.place not in cut]


def _from_driver() -> list[_Card]:
    cards = []
    try:
        for file in _DRIVER.glob("*/information"):
            text = file.read_text("utf-8", "replace")
            uuid, minor = _UUID.search(text), _MINOR.search(text)
            if minor is not None:
                cards.append(_Card(int(minor[1]), uuid[1] if uuid else minor[1]))
    except OSError:
        return []
    return sorted(cards)


def _named(cards: Sequence[_Card], wanted: Sequence[str]) -> tuple[str, ...]:
    """Cards in the order of their names; as CUDA does, the first name that is none ends the list."""
    found: list[str] = []
    for name in wanted:
        if name.isdecimal():
            matching = [card.name for card in cards if card.place == int(name)]
        else:
            matching = [card.name for card in cards if name and card.name.startswith(name)]
        if not matching:
            break
        found += [name for name in matching if name not in found]
    return tuple(found)
