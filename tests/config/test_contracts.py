"""What each scorer's contract needs of `lab.toml`, and what it has no use for."""

from collections.abc import Callable

import pytest

from lab_plugin.config import parse

Faults = Callable[[str], tuple[str, ...]]

COMMAND = 'command = ["python", "train.py"]\n'
OUTPUTS = 'outputs = ["predictions.npy"]\n'
SCORER = 'command = ["python", "scorer/score.py"]\n'
SERVED = {COMMAND: 'serve = "train"\n', OUTPUTS: "", SCORER: f'contract = "served"\n{SCORER}'}
TESTS = {
    COMMAND: 'serve = "train:predict"\n',
    OUTPUTS: "",
    SCORER: 'contract = "tests"\ntests = ["scorer/tests"]\n',
    '"accuracy"': '"pass_rate"',
}
IN_PROCESS = {
    COMMAND: 'serve = "pkg.train"\n',
    OUTPUTS: "",
    SCORER: f'contract = "in_process"\nprobe = "scorer/probe.py"\n{SCORER}',
}


def changed(text: str, *changes: dict[str, str]) -> str:
    for change in changes:
        for old, new in change.items():
            assert text.count(old) == 1, old
            text = text.replace(old, new)
    return text


@pytest.mark.parametrize("contract", [SERVED, TESTS, IN_PROCESS])
def test_what_fits_is_taken(valid: str, contract: dict[str, str]) -> None:
    config = parse(changed(valid, contract))
    rules = config.scoring_rules()
    assert rules["scorer"]["contract"] == config.scorer.contract != "outputs"  # type: ignore[index]
    assert rules["candidate"]["serve"] == config.candidate.serve  # type: ignore[index]


def test_any_program_may_be_served(valid: str) -> None:
    text = changed(
        valid, {OUTPUTS: "", SCORER: f'contract = "served"\nquestions = 9\nanswer_bytes = "2KiB"\n{SCORER}'}
    )
    scorer = parse(text).scorer
    assert (scorer.questions, scorer.answer_bytes, scorer.answer_timeout) == (9, 2048, 10.0)


def test_a_lab_of_files_has_no_key_of_the_other_contracts(valid: str) -> None:
    rules = parse(valid).scoring_rules()
    assert parse(changed(valid, {SCORER: f'contract = "outputs"\n{SCORER}'})).scoring_rules() == rules
    assert "serve" not in rules["candidate"]  # type: ignore[operator]
    new = {"contract", "tests", "probe", "answer_timeout", "answer_bytes", "questions"}
    assert not new & set(rules["scorer"])  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("changes", "line", "words"),
    [
        ([{COMMAND: ""}], 5, "the key 'command' is missing in [candidate]"),
        ([{OUTPUTS: ""}], 5, "the key 'outputs' is missing in [candidate]"),
        ([{SCORER: ""}], 15, "the key 'command' is missing in [scorer]"),
        (
            [{COMMAND: f'{COMMAND}serve = "train"\n'}],
            8,
            'candidate.serve: the contract "outputs" has no use for it',
        ),
        ([{SCORER: f'{SCORER}tests = ["scorer/tests"]\n'}], 18, 'set scorer.contract to "tests"'),
        ([{SCORER: f"{SCORER}questions = 5\n"}], 18, 'set scorer.contract to "served" or "tests"'),
        ([{SCORER: f'{SCORER}contract = "serve"\n'}], 18, "did you mean 'served'?"),
        ([SERVED, {'serve = "train"\n': ""}], 5, "needs one of the keys 'serve' or 'command' in [candidate]"),
        ([SERVED, {'serve = "train"\n': f'{COMMAND}serve = "train"\n'}], 8, "give one of them"),
        ([SERVED, {'serve = "train"': 'serve = "train.py"\nwarm = ["numpy"]'}], 8, "candidate.serve"),
        ([SERVED, {'serve = "train"': 'serve = "train; import os"'}], 7, 'a module is served as "model"'),
        (
            [SERVED, {'serve = "train"\n': f'serve = "train"\n{OUTPUTS}'}],
            8,
            'candidate.outputs: the contract "served"',
        ),
        (
            [SERVED, {SCORER: ""}],
            14,
            "the key 'command' is missing in [scorer], and the contract \"served\" needs it",
        ),
        ([SERVED, {SCORER: f'{SCORER}answer_bytes = "1GiB"\n'}], 18, "scorer.answer_bytes"),
        (
            [TESTS, {'"pass_rate"': '"accuracy"'}],
            18,
            'the contract "tests" gives failed, pass_rate, passed, total',
        ),
        (
            [TESTS, {'tests = ["scorer/tests"]\n': ""}],
            14,
            "needs one of the keys 'tests' or 'command' in [scorer]",
        ),
        (
            [TESTS, {'["scorer/tests"]': '["tests"]'}],
            17,
            '"tests" must be one of scorer.files or a folder of them',
        ),
        ([IN_PROCESS, {'serve = "pkg.train"\n': COMMAND}], 5, "the key 'serve' is missing in [candidate]"),
        ([IN_PROCESS, {'serve = "pkg.train"\n': COMMAND}], 7, 'candidate.command: the contract "in_process"'),
        ([IN_PROCESS, {'"scorer/probe.py"': '"probe.py"'}], 17, '"probe.py" must be one of scorer.files'),
        (
            [IN_PROCESS, {'kind = "auto"': 'require = ["separate_process"]'}],
            39,
            'separate_process cannot hold with scorer.contract "in_process"',
        ),
    ],
)
def test_what_does_not_fit_is_told_with_its_line(
    valid: str, faults: Faults, changes: list[dict[str, str]], line: int, words: str
) -> None:
    found = faults(changed(valid, *changes))
    assert any(fault.startswith(f"lab.toml:{line}: ") and words in fault for fault in found), found


def test_separate_process_may_be_demanded_elsewhere(valid: str) -> None:
    config = parse(changed(valid, SERVED, {'kind = "auto"': 'require = ["separate_process", "seccomp"]'}))
    assert config.sandbox.require == ("separate_process", "seccomp")


def test_a_fault_of_a_key_is_not_told_as_its_absence(valid: str, faults: Faults) -> None:
    found = faults(changed(valid, {COMMAND: 'command = [""]\n', SCORER: "command = 5\n"}))
    assert len(found) == 2
    assert not any("missing" in fault for fault in found)


def test_without_tables_only_the_tables_are_missing(faults: Faults) -> None:
    found = faults('[lab]\nname = "x"\n[strategy]\nname = "random"\n')
    assert not any("key 'command'" in fault for fault in found), found
