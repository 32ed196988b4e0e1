import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_plugin.errors import ConfigError
from lab_plugin.promotion import Decided, Quantile, Threshold, TopK
from lab_plugin.simulation import Screen, Synthetic, read_plan

WORDS = ["cost=", "rho=", "promote=", "quantile:", "top_k:", "decision", "seconds=", "nan", "1e400", "-"]
FILE = """
[synthetic]
seconds = 60
noise = 0.1

[tiers.proxy]
cost = 0.1
rho = 0.8
promote = { quantile = 0.33 }

[tiers.mid]
seconds = 5
rho = 0.9
promote = "decision"
"""


def test_a_file_and_options_say_the_same(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(FILE)
    options = ["proxy:cost=0.1,rho=0.8,promote=quantile:0.33", "mid: seconds=5, rho=0.9, promote=decision"]
    plan = read_plan(path, (), "")
    assert plan == read_plan(None, options, "seconds=60,noise=0.1")
    assert plan.synthetic == Synthetic(seconds=60, noise=0.1)
    assert plan.screens == (
        Screen("proxy", Quantile(0.33), 0.8, cost=0.1),
        Screen("mid", Decided(), 0.9, seconds=5),
    )


@pytest.mark.parametrize(
    ("word", "rule"),
    [
        ("top_k:2/8", TopK(2, 8)),
        ("top_k:5", TopK(5)),
        ("threshold:-0.5", Threshold(-0.5)),
        ("quantile:1", Quantile(1)),
        ("decision", Decided()),
    ],
)
def test_rules_as_words(word, rule):
    assert read_plan(None, [f"p:cost=1,rho=0,promote={word}"], "").screens[0].promote == rule


@pytest.mark.parametrize(
    ("tier", "synthetic", "said"),
    [
        (["proxy"], "", "write NAME:KEY=VALUE"),
        (["cost=1,rho=0,promote=decision"], "", "write NAME:KEY=VALUE"),
        (["p:cost=1,rho=0"], "", "--tier p: the key 'promote' is missing"),
        (["p:rho=0,promote=decision"], "", "give either seconds, or cost"),
        (["p:cost=1,seconds=1,rho=0,promote=decision"], "", "give either seconds, or cost"),
        (["p:cost=0,rho=0,promote=decision"], "", "p.cost"),
        (["p:cost=1,rho=1.1,promote=decision"], "", "p.rho"),
        (["p:cost=1,rho=nan,promote=decision"], "", "p.rho"),
        (["p:cst=1,rho=0,promote=decision"], "", "did you mean 'cost'?"),
        (["p:cost=1,rho=0,promote=quantile:2"], "", "at most 1"),
        (["p:cost=1,rho=0,promote=top_k:0"], "", "top_k:0"),
        (["p:cost=1,rho=0,promote=top_k:1/x"], "", "top_k:1/x"),
        (["p:cost=1,rho=0,promote=threshold:inf"], "", "finite"),
        (["p:cost=1,rho=0,promote=best:1"], "", "is no rule"),
        (["p:cost=1,cost=2,rho=0,promote=decision"], "", "'cost' is given twice"),
        (["p:cost=1,rho=0,promote=decision"] * 2, "", "the tier is given twice"),
        ([], "60", "'60' is no KEY=VALUE"),
        ([], "seconds=0", "--synthetic.seconds"),
        ([], "seconds=1,crashes=1", "--synthetic.crashes"),
        ([], "seconds=1,spread=-1", "--synthetic.spread"),
        ([], "seconds=one", "--synthetic.seconds"),
    ],
)
def test_faults_of_options_are_named(tier, synthetic, said):
    with pytest.raises(ConfigError) as caught:
        read_plan(None, tier, synthetic)
    assert said in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tiers.proxy\n", "plan.toml:1:"),
        ("\n[tier.proxy]\n", "plan.toml:2: tier: unknown key 'tier'; did you mean 'tiers'?"),
        ("tiers = 3\n", "plan.toml:1: tiers: must be tables"),
        ("[tiers]\nproxy = 3\n", "plan.toml:2: tiers.proxy"),
        ("synthetic = 3\n", "plan.toml:1: synthetic"),
        ("[synthetic]\nseconds = true\n", "plan.toml:1: synthetic.seconds"),
        ('[synthetic]\nseconds = "60"\n', "plan.toml:1: synthetic.seconds"),
        ("\xff", "cannot be read"),
        ("x = 1\n" * 20_000, "larger than 64 KiB"),
    ],
)
def test_faults_of_a_file_are_named_with_their_line(tmp_path, text, said):
    path = tmp_path / "plan.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError) as caught:
        read_plan(path, (), "")
    assert said in str(caught.value)


def test_what_is_no_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path, said in (
        (tmp_path / "fifo", "no regular file"),
        (tmp_path, "cannot be read|no regular file"),
        (tmp_path / "none", "No such file"),
    ):
        with pytest.raises(ConfigError, match=said):
            read_plan(path, (), "")


def test_a_thing_in_two_places_is_refused(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(FILE)
    with pytest.raises(ConfigError, match="given twice"):
        read_plan(path, (), "seconds=3")
    with pytest.raises(ConfigError, match="given twice"):
        read_plan(path, ["mid:cost=1,rho=0,promote=decision"], "")


@given(*[st.lists(st.sampled_from([*"p:=,./ 01x\n\0é", *WORDS]), max_size=12).map("".join)] * 2)
def test_any_text_is_read_or_refused(tier, synthetic):
    try:
        read_plan(None, [tier, f"p:{tier}"], synthetic)
    except ConfigError as error:
        assert error.faults
