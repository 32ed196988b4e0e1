"""`candidate.warm`: read, refused by line, and part of the lock."""

from collections.abc import Callable

import pytest

from lab_plugin.config import parse

Fault = Callable[[str, str], str]
NETWORK = "network = []\n"


def test_modules_are_read_and_are_rules(valid: str) -> None:
    assert parse(valid).candidate.warm == ()
    assert "warm" not in str(parse(valid).scoring_rules())
    config = parse(valid.replace(NETWORK, 'warm = ["numpy", "scipy.stats"]\n'))
    assert config.candidate.warm == ("numpy", "scipy.stats")
    assert "scipy.stats" in str(config.scoring_rules())


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (NETWORK, 'warm = ["a-b"]\n', '"a-b" is no name of a module'),
        (NETWORK, 'warm = ["../x"]\n', '"../x" is no name of a module'),
        (NETWORK, 'warm = [""]\n', "is no name of a module"),
        (NETWORK, 'warm = ["os.path", "os.path"]\n', "is given twice"),
        (NETWORK, 'warm = "numpy"\n', "candidate.warm"),
        (NETWORK, 'warm = ["numpy"]\nnetwork = ["pypi.org"]\n', "together with candidate.network"),
    ],
)
def test_what_is_no_list_of_modules_is_refused(fault: Fault, old: str, new: str, words: str) -> None:
    assert words in fault(old, new)


@pytest.mark.parametrize(
    "command",
    ['["sh", "run.sh"]', '["python", "-c", "pass"]', '["python", "-m"]', '["python", "-u", "a.py"]'],
)
def test_a_command_that_no_fork_can_run_is_refused(valid: str, faults: object, command: str) -> None:
    text = valid.replace(NETWORK, 'warm = ["numpy"]\n').replace('["python", "train.py"]', command)
    (only,) = faults(text)  # type: ignore[operator]
    assert "`python SCRIPT.py ...` or `python -m MODULE ...`" in only


@pytest.mark.parametrize("kind", ["docker", "process"])
def test_a_sandbox_that_keeps_no_interpreter_is_refused(valid: str, faults: object, kind: str) -> None:
    text = valid.replace(NETWORK, 'warm = ["numpy"]\n').replace('kind = "auto"', f'kind = "{kind}"')
    (only,) = faults(text)  # type: ignore[operator]
    assert f'the sandbox "{kind}" keeps no interpreter' in only
