"""Scores of repeats that no verdict has yet, on disk: a comparison that a crash interrupts goes on.

Each line is one score of one tree on one seed. A line that a crash cut in half is passed over, and its repeat
is run again. The file lies in the lab's state folder, out of every sandbox's reach.
"""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_plugin.scorer import Score


@dataclass(frozen=True)
class Repeat:
    """One score.

    Attributes:
        value: The lab's metric.
        metrics: All metrics.
        seconds: Wall seconds of candidate and scorer.
    """

    value: float
    metrics: dict[str, float]
    seconds: float


class RepeatStore:
    """Scores by tree and seed, under one lock. Safe for several threads.

    Args:
        path: The file.
        digest: The lock's digest; what was scored under another is forgotten.
    """

    def __init__(self, path: Path, digest: str) -> None:
        self._path = path
        self._digest = digest
        self._lock = threading.Lock()
        self._known: dict[tuple[str, int], Repeat] = dict(self._read())

    def get(self, tree: str, seed: int) -> Repeat | None:
        """What is known of a tree on a seed."""
        return self._known.get((tree, seed))

    def put(self, tree: str, seed: int, score: Score) -> Repeat:
        """Keep a score that has a value."""
        assert score.value is not None
        repeat = Repeat(score.value, dict(score.metrics), score.seconds)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._lock, self._path.open("a", encoding="ascii") as stream:
            self._known[tree, seed] = repeat
            stream.write(self._line(tree, seed, repeat))
            stream.flush()
            os.fsync(stream.fileno())
        return repeat

    def forget(self, tree: str) -> None:
        """Forget all of a tree."""
        with self._lock:
            self._keep({key: repeat for key, repeat in self._known.items() if key[0] != tree})

    def keep_only(self, trees: Collection[str]) -> None:
        """Forget all trees but these; what has its verdict is in the ledger."""
        with self._lock:
            self._keep({key: repeat for key, repeat in self._known.items() if key[0] in trees})

    def _keep(self, kept: dict[tuple[str, int], Repeat]) -> None:
        # Written anew also where nothing goes: the file may end in a line that was cut in half.
        self._known = kept
        partial = self._path.with_suffix(".new")
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text("".join(self._line(*key, repeat) for key, repeat in kept.items()), "ascii")
        os.replace(partial, self._path)

    def _line(self, tree: str, seed: int, repeat: Repeat) -> str:
        return json.dumps({"digest": self._digest, "tree": tree, "seed": seed, **vars(repeat)}) + "\n"

    def _read(self) -> Iterator[tuple[tuple[str, int], Repeat]]:
        try:
            lines = self._path.read_text("ascii", "replace").splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            try:
                found: dict[str, Any] = json.loads(line)
                if found["digest"] != self._digest:
                    continue
                numbers = [found["value"], found["seconds"], *found["metrics"].values()]
                if all(isinstance(number, float | int) and math.isfinite(number) for number in numbers):
                    repeat = Repeat(found["value"], found["metrics"], found["seconds"])
                    yield (found["tree"], found["seed"]), repeat
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
