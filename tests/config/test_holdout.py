"""`[scorer.holdout]`: what may stand there, and what would show it to a candidate."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lab_plugin.config import parse
from lab_plugin.errors import ConfigError
from lab_plugin.lab import Lab
from lab_plugin.locking import lock_lab

TEXT = """[lab]
name = "a"
[candidate]
paths = ["train.py"]
command = ["python", "train.py"]
outputs = ["out.json"]
data = "data"
[scorer]
files = ["scorer/**"]
command = ["python", "scorer/score.py"]
metric = "m"
goal = "maximize"
[strategy]
name = "command"
[scorer.holdout]
"""


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ('fils = ["a"]', "lab.toml:16: unknown key 'fils' in [scorer.holdout]; did you mean 'files'?"),
        ('files = ["train.py"]', 'can take in files of candidate.paths "train.py"'),
        ('files = ["data/**"]', 'can take in files of candidate.data "data"'),
        ('files = ["**"]', "takes in lab.toml"),
        (
            'files = ["h"]\ndata = "data/late"',
            'lab.toml:17: scorer.holdout.data: "data/late" and candidate.data',
        ),
        ('files = ["h"]\ndata = "scorer/late"', 'scorer.files "scorer/**" can take in files of it'),
        ('files = ["h"]\nlooks = 0', "scorer.holdout.looks"),
        ('files = ["h"]\nmargin = -1', "scorer.holdout.margin"),
        ('files = ["h"]\nrequire = "better"', "must be 'not_worse' or 'nothing'"),
        ('files = ["h"]\nlooks_spent = "keep_unloked"', "did you mean 'keep_unlooked'?"),
    ],
)
def test_faults_name_the_line_and_the_remedy(keys: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(TEXT + keys)
    said = str(caught.value)
    assert words in said, said


def test_the_contract_of_tests_has_none() -> None:
    text = TEXT.replace('goal = "maximize"', 'goal = "maximize"\ncontract = "tests"')
    with pytest.raises(ConfigError, match="the contract 'tests' has no hold-out"):
        parse(text + 'files = ["h"]')


def test_it_is_a_rule_of_scoring_only_where_there_is_one() -> None:
    without = parse(TEXT.removesuffix("[scorer.holdout]\n"))
    assert "holdout" not in without.scoring_rules()["scorer"]  # type: ignore[operator]
    holdout = parse(TEXT + 'files = ["scorer/secret/**"]').scorer.holdout
    assert holdout is not None
    assert (holdout.require, holdout.margin, holdout.looks) == ("not_worse", 0.0, None)


async def test_a_pattern_that_matches_nothing_is_not_locked(
    make_lab: Callable[..., Path], home: Path
) -> None:
    folder = make_lab()
    with (folder / "lab.toml").open("a") as stream:
        stream.write('\n[scorer.holdout]\nfiles = ["sealed/**"]\n')
    lab = Lab.open(folder)
    sandbox = lab.sandbox()
    with pytest.raises(ConfigError, match=r'scorer\.holdout\.files: "sealed/\*\*" matches no file'):
        await lock_lab(lab, sandbox)
    await sandbox.close()
    lab.close()
