"""`[tiers]`: what each tier has of its own, and what cannot be."""

import pytest

from lab_plugin.config import parse
from lab_plugin.errors import ConfigError
from lab_plugin.promotion import Decided, Quantile, Threshold, TopK

LAB = """[lab]
name = "tiered"
remote = "origin"
[candidate]
paths   = ["train.py"]
command = ["python", "train.py"]
outputs = ["y.json"]
memory  = "256MiB"
[scorer]
files   = ["scorer/**"]
command = ["python", "scorer/score.py"]
metric  = "accuracy"
goal    = "maximize"
[strategy]
name = "command"
command = ["python", "propose.py"]
[budget]
iterations = 20
"""
FIRST = LAB.count("\n") + 1


def tiers(own: str, last: str = "seeds = 1") -> str:
    return f"{LAB}[tiers.proxy]\n{own}\n[tiers.final]\n{last}\n"


def test_a_tier_is_the_lab_but_for_its_own_keys() -> None:
    config = parse(
        tiers(
            'seeds = [3, 4]\npromote = { quantile = 0.5 }\ntimeout = "5s"\npool = "cheap"\n'
            '[tiers.proxy.candidate]\nmemory = "64MiB"\n'
            '[tiers.proxy.scorer]\nmetric = "loss"\ngoal = "minimize"\nfiles = ["quick/**"]\n'
            "command = ['python', 'quick/score.py']",
            "seeds = [7]\n[tiers.final.sandbox]\nkind = 'bubblewrap'",
        )
    )
    proxy, final = config.tiers
    assert (proxy.name, proxy.seeds, proxy.promote, proxy.pool) == ("proxy", (3, 4), Quantile(0.5), "cheap")
    assert (proxy.config.candidate.timeout, proxy.config.candidate.memory) == (5.0, 64 << 20)
    assert (proxy.config.scorer.metric, proxy.config.scorer.goal) == ("loss", "minimize")
    assert (proxy.config.decision.seed, proxy.config.sandbox.kind) == (3, "auto")
    assert (final.name, final.seeds, final.promote) == ("final", (7,), None)
    # The lab is what decides.
    assert config is final.config
    assert (config.scorer.metric, config.candidate.memory, config.decision.seed) == ("accuracy", 256 << 20, 7)
    assert (config.tier, [tier.name for tier in config.screening]) == ("final", ["proxy"])
    assert set(config.scorer_patterns) == {"quick/**", "scorer/**"}
    rules = config.scoring_rules()
    assert rules["tiers"]["order"] == ["proxy", "final"]  # type: ignore[index]


def test_a_lab_without_tiers_has_one_and_its_lock_is_as_before() -> None:
    config = parse(LAB)
    assert [(tier.name, tier.seeds, tier.promote) for tier in config.tiers] == [("final", (0,), None)]
    assert config.tiers[0].config is config
    assert "tiers" not in config.scoring_rules()


@pytest.mark.parametrize(
    ("written", "rule"),
    [
        ("{ top_k = 2, of = 8 }", TopK(2, 8)),
        ("{ top_k = 3 }", TopK(3)),
        ("{ quantile = 0.25 }", Quantile(0.25)),
        ("{ threshold = -1 }", Threshold(-1.0)),
        ('"decision"', Decided()),
    ],
)
def test_rules_of_promotion(written: str, rule: object) -> None:
    assert parse(tiers(f"seeds = 1\npromote = {written}")).tiers[0].promote == rule


@pytest.mark.parametrize(
    ("own", "line", "told"),
    [
        ("promote = { quantile = 0.5 }", 0, "the key 'seeds' is missing in [tiers.proxy]"),
        ("seeds = []\npromote = { quantile = 0.5 }", 1, "tiers.proxy.seeds: must not be empty"),
        ("seeds = 0\npromote = { quantile = 0.5 }", 1, "a tier has 1 to 1000 seeds, not 0"),
        ("seeds = [1, 1]\npromote = { quantile = 0.5 }", 1, '"1" is given twice'),
        ("seeds = 1", 0, "the key 'promote' is missing"),
        ('seeds = 1\npromote = "best"', 2, "must be { top_k = 2, of = 8 }"),
        ("seeds = 1\npromote = { quantil = 0.5 }", 2, "must be { top_k = 2, of = 8 }"),
        ("seeds = 1\npromote = { quantile = 0.5, top_k = 1 }", 2, "must be one of"),
        ("seeds = 1\npromote = { quantile = 1.5 }", 2, "a share lies above 0, and is at most 1"),
        ("seeds = 1\npromote = { quantile = 0.04 }", 2, "nothing would ever go on"),
        ("seeds = 1\npromote = { top_k = 5, of = 3 }", 2, "the best 5 of every 3 are more than there are"),
        ("seeds = 1\npromote = { top_k = 1.5 }", 2, "whole numbers"),
        ('seeds = 2\npromote = "decision"', 1, "draws further seeds"),
        ("sedes = 1\nseeds = 1\npromote = { top_k = 1 }", 1, "did you mean 'seeds'?"),
        (
            "seeds = 1\npromote = { top_k = 1 }\n[tiers.proxy.candidate]\nmemry = 1",
            4,
            "did you mean 'memory'?",
        ),
        ("seeds = 1\npromote = { top_k = 1 }\n[tiers.proxy.candidate]\ncpus = 'x'", 4, "must be a number"),
        (
            "seeds = 1\npromote = { top_k = 1 }\n[tiers.proxy.candidate]\npaths = ['b']",
            4,
            "cannot be given here",
        ),
        ("seeds = 1\npromote = { top_k = 1 }\n[tiers.proxy.decision]\ndetect = 2.0", 3, "it has no effect"),
        ("seeds = 1\npromote = { top_k = 1 }\n[tiers.proxy.scorer.holdout]\nfiles = ['h/**']", 3, "hold-out"),
        ("seeds = 1\npromote = { top_k = 1 }\ntimeout = 'soon'", 3, "timeout"),
        (
            "seeds = 1\npool = 'box'\npromote = { top_k = 1 }\n[services.db]\ncommand = ['db']\nport = 5432",
            2,
            "[services] run",
        ),
        (
            "seeds = 1\npool = 'box'\npromote = { top_k = 1 }\n[pruning]\npruner = 'median'",
            2,
            "[pruning] reads",
        ),
        ("seeds = 1\npromote = { top_k = 1 }\n[tiers.proxy.scorer]\nmetric = 'loss'", 4, "needs its goal"),
    ],
)
def test_faults_are_told_with_their_line(own: str, line: int, told: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse(tiers(own))
    found = [fault for fault in error.value.faults if told in fault]
    assert found, error.value.faults
    assert found[0].startswith(f"lab.toml:{FIRST + line}: ")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{LAB}[tiers]\n", "there is no tier in it"),
        (f"{LAB}[tier.proxy]\nseeds = 1\n", "did you mean [tiers]?"),
        (f"{LAB}[tiers.Proxy]\nseeds = 1\n", "a tier's name has 1 to 30 characters"),
        (f"{LAB}[tiers.only]\nseeds = [1, 2]\n", "the last tier draws its seeds by [decision]"),
        (f"{LAB}[tiers.only]\nseeds = 1\npromote = {{ top_k = 1 }}\n", "there is none to go on to"),
        (f"{LAB}[decision]\nseed = 3\n[tiers.only]\nseeds = 1\n", "the seeds of a lab with tiers"),
        (f'{LAB}[pruning]\npruner = "median"\n', ""),
        (
            f'{LAB}[pruning]\npruner = "median"\n'.replace(
                '"command"\n', '"command"\norder = "deterministic"\n'
            ),
            "hangs on the number of slots",
        ),
        (
            LAB.replace('"command"\n', '"command"\norder = "fixed"\n'),
            "must be 'asynchronous' or 'deterministic'",
        ),
    ],
)
def test_faults_of_the_whole(text: str, told: str) -> None:
    if not told:
        parse(text)
        return
    with pytest.raises(ConfigError) as error:
        parse(text)
    assert any(told in fault for fault in error.value.faults), error.value.faults


def test_all_faults_are_told_at_once_and_each_once() -> None:
    own = "seeds = 0\npromote = { quantile = 0.5 }\n[tiers.proxy.candidate]\nmemry = 1\ncpus = 'x'"
    with pytest.raises(ConfigError) as error:
        parse(tiers(own, "seeds = 1\n[tiers.final.candidate]\ncpus = -1"))
    # What a tier overrides is looked at once its own keys are sound.
    assert len(error.value.faults) == len(set(error.value.faults)) == 1
    with pytest.raises(ConfigError) as error:
        parse(tiers(own.replace("seeds = 0", "seeds = 1"), "seeds = 1\n[tiers.final.candidate]\ncpus = -1"))
    assert len(error.value.faults) == len(set(error.value.faults)) == 3


def test_a_tier_waits_in_a_queue_of_its_pool() -> None:
    box = "seeds = 1\npool = 'box'\nqueue = '{}'\npromote = {{ top_k = 1 }}"
    pools = "[pools.box]\nqueues = { urgent = 1, nightly = 10 }\n"
    config = parse(tiers(box.format("urgent"), "seeds = 1\npool = 'other'") + pools)
    assert [tier.queue for tier in config.tiers] == ["urgent", ""]
    assert config.pools["box"].queues == {"urgent": 1, "nightly": 10}
    plain = parse(tiers(box.format("urgent").replace("queue = 'urgent'\n", "")))
    assert parse(tiers(box.format("any"))).scoring_rules() == plain.scoring_rules()


@pytest.mark.parametrize(
    ("queue", "more", "told"),
    [
        ("urgnt", "[pools.box]\nqueues = { urgent = 1 }", 'has no queue "urgnt"; did you mean "urgent"?'),
        ("low", "[pools.box]\nqueues = { urgent = 1 }", 'has no queue "low"; it has urgent'),
        ("low", "[pools.box]\nqueues = { low = 0 }", "pools.box.queues"),
        ("a b", "", "a queue's name has 1 to 60 characters"),
    ],
)
def test_a_queue_that_cannot_be_is_a_fault(queue: str, more: str, told: str) -> None:
    own = f"seeds = 1\npool = 'box'\nqueue = '{queue}'\npromote = {{ top_k = 1 }}"
    with pytest.raises(ConfigError) as error:
        parse(f"{tiers(own)}{more}\n")
    assert any(told in fault for fault in error.value.faults), error.value.faults


def test_a_queue_needs_a_pool() -> None:
    with pytest.raises(ConfigError, match="a queue belongs to a work pool, and this tier has none"):
        parse(tiers("seeds = 1\nqueue = 'urgent'\npromote = { top_k = 1 }"))


def test_a_pool_needs_a_git_remote() -> None:
    with pytest.raises(ConfigError, match="lab.remote names"):
        parse(tiers("seeds = 1\npool = 'box'\npromote = { top_k = 1 }").replace('remote = "origin"\n', ""))


def test_a_misspelt_tier_is_told_as_one() -> None:
    text = tiers("seeds = 1\npromote = { top_k = 1 }") + "\n[tiers.prxy.candidate]\ncpus = 1\n"
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert "is missing in [tiers.prxy]; did you mean [tiers.proxy]?" in str(caught.value)


def test_more_cards_than_a_pool_has_are_refused() -> None:
    last = 'seeds = 1\npool = "box"\n[tiers.final.candidate]\ngpus = {}\n[pools.box]\ngpus = 2'
    promote = "seeds = 1\npromote = { top_k = 1 }"
    assert parse(tiers(promote, last.format(2))).tiers[-1].config.candidate.gpus == 2
    with pytest.raises(ConfigError, match=r"tiers\.final: .*4 cards are wanted, and pools\.box\.gpus is 2"):
        parse(tiers(promote, last.format(4)))
