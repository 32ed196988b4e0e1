"""`[feedback]`: read, and refused by line."""

from collections.abc import Callable

import pytest

from lab_plugin.config import Feedback, parse

TABLE = '[sandbox]\nkind = "auto"\n'


def test_all_keys(valid: str) -> None:
    text = (
        f'{TABLE}[feedback]\nmetric = true\nstatus = false\nstderr = "none"\nstderr_bytes = "1KiB"\n'
        'scorer_feedback = false\nsamples = "public"\npublic = ["train-*"]\nworst = 5\n'
    )
    config = parse(valid.replace(TABLE, text))
    assert config.feedback == Feedback(
        status=False,
        stderr="none",
        stderr_bytes=1024,
        scorer_feedback=False,
        samples="public",
        public=("train-*",),
        worst=5,
    )
    # Who may read what makes no score: it may change within an epoch.
    assert config.scoring_rules() == parse(valid).scoring_rules()


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ('samples = "public"', "needs the key public"),
        ('public = ["a"]', 'without samples = "public"'),
        ('samples = "public"\npublic = ["a", "a"]', "given twice"),
        ('samples = "all"', "must be 'none' or 'public'"),
        ('stderr = "all"', "must be 'none' or 'tail'"),
        ('stderr_bytes = "1MiB"', "less than or equal to 65536"),
        ("worst = 0", "greater than or equal to 1"),
        ("metric = false", "the strategy 'tpe' learns from the metric alone"),
        ("holdout = true", "unknown key 'holdout'"),
    ],
)
def test_faults(keys: str, words: str, fault: Callable[[str, str], str]) -> None:
    assert words in fault(TABLE, f"{TABLE}[feedback]\n{keys}\n")
