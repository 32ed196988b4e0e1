"""Tiers that differ in more than figures: what each takes over, and what none may show of another."""

from collections.abc import Callable

import pytest

from lab_plugin.config import parse

Faults = Callable[[str], tuple[str, ...]]

TIERS = """
[tiers.proxy]
seeds   = 1
promote = {{ threshold = 0.5 }}
{proxy}
[tiers.final]
seeds = 1
{final}
"""


def tiers(proxy: str = "", final: str = "") -> str:
    return TIERS.format(proxy=proxy, final=final)


def test_a_tier_of_tests_before_one_of_files(valid: str) -> None:
    proxy = """
[tiers.proxy.candidate]
serve = "train:predict"
[tiers.proxy.scorer]
contract = "tests"
tests    = ["scorer/tests"]
metric   = "pass_rate"
goal     = "maximize"
"""
    config = parse(valid + tiers(proxy))
    first, last = (tier.config for tier in config.tiers)
    assert (first.scorer.contract, first.scorer.command, first.candidate.outputs) == ("tests", (), ())
    assert (first.candidate.command, first.candidate.serve) == ((), "train:predict")
    assert (last.scorer.contract, last.candidate.outputs) == ("outputs", ("predictions.npy",))
    assert last.candidate.serve is None


def test_tiers_in_sandboxes_of_other_kinds(valid: str) -> None:
    text = valid.replace('kind = "auto"', 'kind = "docker"\nimage = "lab:1"\npython = "/usr/bin/python3"')
    text = text.replace("gpus    = 0", "gpus    = 1")
    config = parse(text + tiers('candidate = { gpus = 0 }\nsandbox = { kind = "process" }'))
    first, last = (tier.config for tier in config.tiers)
    assert (first.sandbox.kind, first.sandbox.image, first.sandbox.python) == ("process", None, None)
    assert (first.candidate.gpus, last.candidate.gpus, last.sandbox.image) == (0, 1, "lab:1")


@pytest.mark.parametrize(
    ("proxy", "final", "told"),
    [
        (
            'candidate = { data = "scorer/rows.csv" }\nscorer = { files = ["proxy.py"] }',
            "",
            'tiers.proxy.candidate.data: "scorer/rows.csv" reaches into scorer.',
        ),
        (
            'candidate = { data = "sealed" }',
            'scorer = { holdout = { files = ["sealed/**"] } }',
            'tiers.proxy.candidate.data: "sealed" reaches into scorer.',
        ),
        (
            'candidate = { data = "rows/public" }',
            'scorer = { holdout = { files = ["sealed/**"], data = "rows" } }',
            'tiers.proxy.candidate.data: "rows/public" reaches into scorer.',
        ),
        (
            'scorer = { files = ["answers/**"] }',
            'candidate = { data = "answers" }',
            'tiers.final.candidate.data: "answers" reaches into scorer.files answers/** of the tier proxy',
        ),
        (
            'scorer = { contract = "in_process" }\ncandidate = { serve = "train" }',
            "",
            "tiers.proxy: the key 'probe' is missing in [scorer]",
        ),
        (
            "",
            'scorer = { contract = "tests", metric = "pass_rate", tests = ["scorer"], holdout = '
            '{ files = ["sealed/**"] } }\ncandidate = { serve = "train" }',
            "tiers.final: scorer.holdout: the contract 'tests' has no hold-out",
        ),
        (
            'candidate = { gpus = 1 }\nsandbox = { kind = "process" }',
            "",
            'tiers.proxy: candidate.gpus: the sandbox "process" has no GPUs',
        ),
    ],
)
def test_what_cannot_be_is_named(valid: str, faults: Faults, proxy: str, final: str, told: str) -> None:
    text = valid + tiers(proxy, final)
    (fault,) = [fault for fault in faults(text) if told in fault]
    line = int(fault.split(":")[1])
    tier = ".".join(told.split(":")[0].split(".")[:2])
    # Behind the head of its tier.
    assert line > text[: text.index(f"[{tier}]")].count("\n")
