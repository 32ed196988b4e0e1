import pytest

from lab_plugin.decision import ErrorBudget, Evidence, Noise, Pairs, decide

STATED = Noise(sd=2**-0.5, origin="stated")


@pytest.fixture
def judge():
    """Decides one metric `m`; a paired difference has the standard deviation 1."""

    def one(rules, candidate, champion=None, *, noise=STATED, level=None, **more):
        champion = champion if champion is not None else [0.0] * len(candidate)
        evidence = Evidence(metrics={"m": Pairs(tuple(candidate), tuple(champion))}, **more)
        return decide(rules, {"m": noise}, evidence, level or ErrorBudget(rules.error, rules.tries).level(1))

    return one
