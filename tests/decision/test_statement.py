import math
from xml.etree import ElementTree

import pytest

from lab_plugin.decision import (
    Decision,
    ErrorBudget,
    Evidence,
    Noise,
    Pairs,
    Rules,
    Statement,
    decide,
    draw_comparison,
)

RULES = Rules(metric="m", goal="maximize")


def test_a_sentence_states_all_figures(judge):
    kept = judge(RULES, [1.0, 1.4, 0.7, 1.2, 0.9, 1.3] * 4)
    for part in (
        "better",
        "difference +1.0",
        "95 % interval",
        "repeats",
        "evidence",
        "error spent",
        "corrected",
    ):
        assert part in kept.sentence
    assert "1 repeat;" in judge(RULES, [-3.0]).sentence


def test_a_bound_that_is_not_there_yet_is_not_made_up(judge):
    first = judge(RULES, [-4.0], noise=Noise(sd=0.7, df=1))
    assert first.state == "revert"
    assert first.statement.confidence == 0.95
    found = Statement(difference=1.0, low=None, high=2.0, confidence=0.95)
    assert "-inf to 2" in str(found)


@pytest.mark.parametrize("state", ["keep", "revert", "inconclusive", "continue"])
@pytest.mark.parametrize("values", [(1.0, -2.0, 0.5), (0.0, 0.0), (1.7e308, -1.7e308), (5e-324,)])
def test_a_chart_is_xml_with_one_dot_a_repeat(state, values):
    pairs = Pairs(values, tuple(-value for value in values))
    statement = Statement(difference=None, low=-1e300, high=None, confidence=0.95, repeats=len(values))
    decision = Decision(state=state, reason='<script>"&', statement=statement)
    text = draw_comparison(decision, pairs, title="</svg><script>\x00\u202e")
    root = ElementTree.fromstring(text)
    space = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{space}circle")) == len(values)
    assert root.find(f".//{space}script") is None
    assert all(math.isfinite(float(dot.get("cy"))) for dot in root.findall(f"{space}circle"))


def test_a_chart_of_a_real_decision(judge):
    gains = [1.0, 1.4, 0.7, 1.2]
    text = draw_comparison(judge(RULES, gains), Pairs(tuple(gains), (0.0,) * 4), "0007 wider")
    assert "0007 wider" in text
    ElementTree.fromstring(text)


@pytest.mark.parametrize("gains", [[4.0] * 6, [-4.0], [0.9] * 3])
def test_a_decision_without_figures_is_the_same(gains):
    rules = Rules(metric="m", goal="maximize", max_repeats=3)
    noises = {"m": Noise(sd=2**-0.5, origin="stated")}
    evidence = Evidence(metrics={"m": Pairs(tuple(gains), (0.0,) * len(gains))})
    level = ErrorBudget(0.05).level(1)
    whole, bare = (
        decide(rules, noises, evidence, level),
        decide(rules, noises, evidence, level, figures=False),
    )
    assert (bare.state, bare.reason, bare.controlled) == (whole.state, whole.reason, whole.controlled)
    assert whole.statement.low is not None and bare.statement.low is None
