"""`[tiers.X.pruning]`: a tier's own way to end runs early."""

import pytest

from lab_plugin.config import Pruning, parse
from lab_plugin.errors import ConfigError
from tests.config.test_tiers import tiers

LAB_PRUNING = '[pruning]\npruner = "median"\nstartup = 3\n'
PROMOTE = "seeds = 1\npromote = { threshold = 0.5 }\n"


def pruning(proxy: str, final: str = "", lab: str = LAB_PRUNING) -> list[Pruning | None]:
    config = parse(tiers(PROMOTE + proxy, f"seeds = 1\n{final}") + lab)
    return [tier.config.pruning for tier in config.tiers]


def test_a_tier_has_the_labs_but_for_its_own_keys() -> None:
    common = Pruning(pruner="median", startup=3)
    assert pruning("") == [common, common]
    assert pruning("[tiers.proxy.pruning]\nwarmup = 7") == [
        Pruning(pruner="median", startup=3, warmup=7),
        common,
    ]
    assert pruning("pruning = false") == [None, common]
    assert pruning("", "pruning = false") == [common, None]
    # Of the lab's settings only what the other pruner knows.
    other = '[tiers.proxy.pruning]\npruner = "hyperband"\nmin_resource = 2'
    assert pruning(other) == [Pruning(pruner="hyperband", min_resource=2), common]
    patient = '[tiers.proxy.pruning]\npruner = "patient"\nthen = "median"'
    assert pruning(patient) == [Pruning(pruner="patient", then="median", startup=3), common]
    assert pruning('[tiers.proxy.pruning]\npruner = "median"', lab="") == [Pruning(pruner="median"), None]


def test_it_is_no_part_of_the_lock() -> None:
    alone = parse(tiers(PROMOTE)).scoring_rules()
    own = parse(tiers(PROMOTE + '[tiers.proxy.pruning]\npruner = "median"') + LAB_PRUNING)
    assert own.scoring_rules() == alone


def test_a_tier_of_another_contract_takes_none_over() -> None:
    tests = '[tiers.proxy.candidate]\nserve = "answers"\n[tiers.proxy.scorer]\ncontract = "tests"\n'
    tests += 'files = ["checks/**"]\ntests = ["checks/test_a.py"]\nmetric = "pass_rate"\ngoal = "maximize"'
    assert pruning(tests) == [None, Pruning(pruner="median", startup=3)]


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("pruning = true", "must be a table, or false to end no run at this tier"),
        ("[tiers.proxy.pruning]\nwarmups = 7", "did you mean 'warmup'?"),
        ('[tiers.proxy.pruning]\npruner = "hyperband"\nstartup = 2', "has no such setting"),
        ('[tiers.proxy.pruning]\npruner = "medain"', "did you mean 'median'?"),
    ],
)
def test_what_is_refused(proxy: str, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        pruning(proxy)
    (fault,) = error.value.faults
    assert words in fault and "tiers.proxy" in fault


def test_not_even_at_one_tier_with_an_order_of_results() -> None:
    text = tiers(PROMOTE + '[tiers.proxy.pruning]\npruner = "median"')
    with pytest.raises(ConfigError) as error:
        parse(text.replace('command = ["python", "propose.py"]', 'command = ["p"]\norder = "deterministic"'))
    (fault,) = error.value.faults
    assert "a run is judged by the curves that are there meanwhile" in fault
