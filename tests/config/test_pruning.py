"""`[pruning]`: read, refused by line, and no part of the lock."""

from collections.abc import Callable

import pytest

from lab_plugin.config import parse

Faults = Callable[[str], tuple[str, ...]]


def test_each_pruner_takes_its_own_settings(valid: str) -> None:
    assert parse(valid).pruning is None
    for lines in (
        'pruner = "median"\nstartup = 0\nwarmup = 3\ninterval = 2\ngoal = "minimize"',
        'pruner = "percentile"\npercentile = 10\nstartup = 3',
        'pruner = "hyperband"\nmin_resource = 5\nmax_resource = 5\nreduction_factor = 2',
        'pruner = "wilcoxon"\np_threshold = 0.05\nwarmup = 4',
        'pruner = "patient"\npatience = 0\nmin_delta = 0.1',
        'pruner = "patient"\nthen = "percentile"\npercentile = 40\nwarmup = 1',
    ):
        config = parse(f"{valid}\n[pruning]\n{lines}\n")
        assert config.pruning is not None
        # A pruned run has no score, so what makes a score is the same.
        assert config.scoring_rules() == parse(valid).scoring_rules()


@pytest.mark.parametrize(
    ("lines", "line", "words"),
    [
        ("startup = 3", 0, "the key 'pruner' is missing in [pruning]"),
        ('pruner = "medain"', 1, "did you mean 'median'?"),
        (
            'pruner = "median"\npercentile = 3',
            2,
            'the pruner "median" has no such setting, only "percentile"',
        ),
        ('pruner = "hyperband"\nstartup = 3', 2, 'the pruner "hyperband" has no such setting'),
        ('pruner = "wilcoxon"\ninterval = 3', 2, "it takes goal, warmup, p_threshold"),
        ('pruner = "patient"\nwarmup = 3', 2, 'the pruner "patient" has no such setting'),
        (
            'pruner = "patient"\nthen = "median"\np_threshold = 0.1',
            3,
            'the pruner "patient" and then "median" has no such setting, only "wilcoxon"',
        ),
        ('pruner = "patient"\nthen = "hyperband"', 2, "pruning.then: must be"),
        (
            'pruner = "hyperband"\nmax_resource = 3\nmin_resource = 4',
            3,
            "4 is above max_resource, 3, so nothing would ever be pruned",
        ),
        ('pruner = "wilcoxon"\np_threshold = 0.0', 2, "greater than 0"),
        ('pruner = "median"\nstartup = 201', 2, "less than or equal to 200"),
        ('pruner = "median"\nwarmup = -1', 2, "greater than or equal to 0"),
        ('pruner = "median"\nwarmups = 1', 2, "did you mean 'warmup'?"),
        ('pruner = "hyperband"\nreduction_factor = 1', 2, "greater than or equal to 2"),
        ('pruner = "median"\ngoal = "up"', 2, "pruning.goal: must be"),
    ],
)
def test_what_can_never_work_is_refused(
    valid: str, faults: Faults, lines: str, line: int, words: str
) -> None:
    text = f"{valid}\n[pruning]\n{lines}\n"
    (only,) = faults(text)
    at = text.split("\n").index("[pruning]") + 1 + line
    assert only.startswith(f"lab.toml:{at}: ") and words in only


def test_other_contracts_have_no_curve(valid: str, faults: Faults) -> None:
    text = valid.replace('goal    = "maximize"', 'goal    = "maximize"\ncontract = "served"')
    text = text.replace('outputs = ["predictions.npy"]\n', "")
    assert parse(text).pruning is None
    (only,) = faults(f'{text}\n[pruning]\npruner = "median"\n')
    assert 'the contract "outputs" alone' in only and 'which is "served"' in only
