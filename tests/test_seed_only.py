"""Ideas that only try another seed are refused."""

from __future__ import annotations

import subprocess

import pytest

from lab_plugin.repository import Blob, Repository
from lab_plugin.seed_only import is_seed_only


@pytest.fixture
def trees(tmp_path):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    repository = Repository.open(tmp_path)

    def changed(before, after):
        old, new = (repository.write_tree({"train.py": Blob(data=text.encode())}) for text in (before, after))
        return is_seed_only(repository, old, new)

    yield changed
    repository.close()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("seed = 1\n", "seed = 2\n"),
        ("x = 5\nSEED: int = 1\n", "x = 5\nSEED: int = 20_000\n"),
        ("model(random_state=0, width=3)\n", "model(random_state=7, width=3)\n"),
        ('{"hidden": 32, "seed": 1}\n', '{"hidden": 32, "seed": 99}\n'),
        (
            "rng = np.random.default_rng(1)\ntorch.manual_seed(2)\n",
            "rng = np.random.default_rng(3)\ntorch.manual_seed(4)\n",
        ),
    ],
)
def test_another_seed(trees, before, after):
    assert trees(before, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("seed = 1\n", "seed = 1\n"),
        ("seed = 1\nwidth = 3\n", "seed = 2\nwidth = 4\n"),
        ('{"hidden": 32, "seed": 1}\n', '{"hidden": 64, "seed": 1}\n'),
        ('{"hidden": 32, "seed": 1}\n', '{"hidden": 64, "seed": 2}\n'),
        ("seed_growth = 0.5\n", "seed_growth = 0.7\n"),
        ("x = 1\n", "x = 1\nseed = 1\n"),
        ("", "seed = 1\n"),
        ("a\nb\n", "b\na\n"),
    ],
)
def test_a_change_of_its_own(trees, before, after):
    assert not trees(before, after)
