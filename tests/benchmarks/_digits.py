"""The digits example's own training, at each of its tiers, remembered between runs of a benchmark."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "digits"


class Trainings:
    """Trains what was not trained before.

    Attributes:
        trained: Trainings that were not known.
    """

    def __init__(self) -> None:
        sys.path.insert(0, str(FOLDER))
        import digits
        import train

        self._train = train
        self._images, self._answers, self._unseen = digits.load()
        self._labels = np.array(json.loads((FOLDER / "scorer" / "labels.json").read_text()))
        code = b"".join((FOLDER / name).read_bytes() for name in ("digits.py", "train.py"))
        self._file = ROOT / "build" / f"digits-{hashlib.sha256(code).hexdigest()[:12]}.json"
        self._known: dict[str, float] = json.loads(self._file.read_text()) if self._file.exists() else {}
        self.trained = 0

    def epochs(self, params: Mapping[str, Any], tier: str) -> int:
        """How many epochs an idea trains for at a tier."""
        return int(self._train.epochs_of(params, tier))

    def accuracy(self, params: Mapping[str, Any], tier: str, seed: int = 0) -> float:
        """What the scorer says of one training."""
        epochs = self.epochs(params, tier)
        key = json.dumps([params, epochs, seed], sort_keys=True)
        if key not in self._known:
            network = self._train.train(self._images, self._answers, params, epochs, seed)
            guesses = self._train.forward(network, self._unseen, params)[1].argmax(axis=1)
            self._known[key] = float((guesses == self._labels).mean())
            self.trained += 1
        return self._known[key]

    def save(self) -> None:
        """Remember all that was trained; the file's name hangs on the example's code."""
        self._file.parent.mkdir(exist_ok=True)
        self._file.write_text(json.dumps(self._known))
