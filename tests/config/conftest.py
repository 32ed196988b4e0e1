from __future__ import annotations

from collections.abc import Callable

import pytest

from lab_plugin.config import parse
from lab_plugin.errors import ConfigError

VALID = """\
[lab]
name = "digits"
instructions = "PROGRAM.md"

[candidate]
paths   = ["train.py", "params.json"]
command = ["python", "train.py"]
outputs = ["predictions.npy"]
timeout = "2m"
memory  = "2GiB"
cpus    = 1
gpus    = 0
network = []

[scorer]
files   = ["scorer/**"]
command = ["python", "scorer/score.py"]
metric  = "accuracy"
goal    = "maximize"

[strategy]
name = "tpe"

[search_space]
file = "params.json"
hidden = { type = "int", low = 16, high = 256, log = true }
lr     = { type = "float", low = 1e-4, high = 1e-1, log = true }
solver = { type = "categorical", choices = ["adam", "sgd"] }

[decision]
min_improvement = 0.01

[budget]
iterations = 50
hours = 8

[sandbox]
kind = "auto"
"""


@pytest.fixture
def valid() -> str:
    return VALID


@pytest.fixture
def faults() -> Callable[[str], tuple[str, ...]]:
    """The faults of a text; a test that expects some fails when there are none."""

    def find(text: str) -> tuple[str, ...]:
        with pytest.raises(ConfigError) as caught:
            parse(text)
        return caught.value.faults

    return find


@pytest.fixture
def fault(valid: str, faults: Callable[[str], tuple[str, ...]]) -> Callable[[str, str], str]:
    """The one fault of the valid text after one replacement."""

    def find(old: str, new: str) -> str:
        assert valid.count(old) == 1
        (only,) = faults(valid.replace(old, new))
        return only

    return find
