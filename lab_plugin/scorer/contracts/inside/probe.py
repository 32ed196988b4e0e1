"""Lets the scorer's probe question a candidate's module in one process, and writes down what it returns.

    python probe.py MODULE[:FUNCTION]

One file, the standard library only, Python 3.9 or later. It runs in the candidate's sandbox, where there are
no labels to be found, and is dead before the scorer starts. `$LAB_PROBE` is the file that defines
`probe(candidate)`; what that returns, as JSON, is all that leaves.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import sys
from typing import Any


def main(wanted: str) -> None:
    """Import the module, hand it to the probe, write the answers."""
    name, _, only = wanted.partition(":")
    sys.path.insert(0, os.getcwd())
    candidate = importlib.import_module(name)
    if only:
        candidate = getattr(candidate, only)
    probe = runpy.run_path(os.environ["LAB_PROBE"])["probe"]
    text = json.dumps(probe(candidate), allow_nan=False, default=plain)
    with open(os.path.join(os.environ["LAB_OUTPUTS"], "answers.json"), "w") as file:
        file.write(text)


def plain(value: Any) -> Any:
    """What JSON can say of a value that it does not know: an array as its list, a numpy number as its own."""
    as_list = getattr(value, "tolist", None)
    if as_list is None:
        raise TypeError(f"a {type(value).__name__} cannot be said in JSON")
    return as_list()


if __name__ == "__main__":
    main(sys.argv[1])
