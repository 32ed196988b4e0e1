"""What verdicts leave for later ones, in whatever order ideas come, go and are taken up again."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lab_plugin.comparison import History
from lab_plugin.ledger import Comparison, Drift, LockRecord, Noise, VerdictRecord

AT = "2026-01-02T03:04:05Z"
ERROR = 0.05
TOTAL = ERROR * 0.9
LOCK = LockRecord(
    at=AT,
    lab="toy",
    epoch=1,
    reason="first lock",
    digest="d",
    metric="value",
    goal="maximize",
    commit="c",
    tree="t",
    value=10.0,
    metrics={"value": 10.0, "cost": 1.0, "extra": 3.0},
    noise={"value": Noise(sd=1.0, df=4.0), "cost": Noise(sd=0.0, df=2.0)},
)
VALUES = st.floats(-5, 5).map(lambda value: round(value, 3))


def folded(records: list[VerdictRecord], tries: int, error: float = ERROR) -> History:
    history = History(LOCK, ("value", "cost"), error, tries, 1)
    history.extend(records)
    return history


def known(history: History) -> dict[str, Any]:
    names = ("champion", "scores", "noises", "slack", "since_look", "looks", "spent")
    return {name: getattr(history, name) for name in names}


class Campaign(RuleBasedStateMachine):
    """Ideas that are under way side by side, verdicts in any order, and crashes in between."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[VerdictRecord] = []
        self.open: dict[int, tuple[int, float]] = {}
        self.tries, self.number = 4, 0
        self.history = folded([], self.tries)
        self.single = folded([], self.tries)

    @precondition(lambda self: len(self.open) < 5)
    @rule()
    def begin(self) -> None:
        self.number += 1
        place, base = self.history.take_place()
        assert place >= 1 and base >= 0
        assert place not in {place for place, _ in self.open.values()}
        own = [record.comparison for record in self.records if record.campaign == 1]
        assert place not in {comparison.place for comparison in own if comparison is not None}
        self.open[self.number] = (place, base)

    @precondition(lambda self: self.open)
    @rule(pick=st.integers(0, 4))
    def crash(self, pick: int) -> None:
        """An idea that is never compared gives its place back."""
        number = sorted(self.open)[pick % len(self.open)]
        place, _ = self.open.pop(number)
        self.history.leave_place(place)
        self.add(number, "crashed", None)

    @precondition(lambda self: self.open)
    @rule(
        pick=st.integers(0, 4),
        gains=st.lists(VALUES, min_size=1, max_size=4),
        word=st.sampled_from(["kept", "reverted", "inconclusive"]),
        tested=st.booleans(),
        by=st.none() | VALUES,
    )
    def decide(self, pick: int, gains: list[float], word: Any, tested: bool, by: float | None) -> None:
        number = sorted(self.open)[pick % len(self.open)]
        place, base = self.open.pop(number)
        first = self.history.scores[min(self.history.scores)]
        drift = None
        if by is not None:
            seed = min(self.history.scores)
            after = {name: value + by for name, value in self.history.scores[seed].items()}
            drift = Drift(
                champion=self.history.champion,
                seed=seed,
                before=self.history.scores[seed],
                after=after,
                moved=abs(by) > 2,
                by=by,
            )
        against = tuple(self.history.scores.get(seed, first)["value"] for seed in range(len(gains)))
        cost = (1.0,) * len(gains)
        ours = tuple(gain + theirs for gain, theirs in zip(gains, against, strict=True))
        comparison = Comparison(
            champion=self.history.champion,
            seeds=tuple(range(len(gains))),
            candidate={"value": ours, "cost": cost},
            against={"value": against, "cost": cost},
            place=place,
            tries=self.tries,
            level=base,
            evidence=0.5 if tested else None,
            controlled=word == "kept" and tested,
            risked=0.25 if word == "kept" and gains[0] < 0 else None,
        )
        self.add(number, word, comparison, drift)

    @rule(campaign=st.sampled_from([2, 3]))
    def elsewhere(self, campaign: int) -> None:
        """Another campaign's verdict in the same epoch spends nothing here."""
        self.number += 1
        comparison = Comparison(
            champion=self.history.champion,
            seeds=(0,),
            candidate={"value": (1.0,), "cost": (1.0,)},
            against={"value": (self.history.scores.get(0, {"value": 2.0})["value"],), "cost": (1.0,)},
            place=1,
            level=0.04,
            evidence=0.1,
        )
        self.add(self.number, "reverted", comparison, campaign=campaign)

    @rule(tries=st.integers(1, 8))
    def killed(self, tries: int) -> None:
        """The process dies, and another goes on with what the ledger has, perhaps under another budget."""
        self.tries = tries
        self.history, self.single = folded(self.records, tries), folded([], tries)
        for record in self.records:
            self.single.add(record)
        self.open.clear()

    def add(
        self,
        number: int,
        word: Any,
        comparison: Comparison | None,
        drift: Drift | None = None,
        campaign: int = 1,
    ) -> None:
        name = f"{number:04d}-idea"
        record = VerdictRecord(
            at=AT,
            number=number,
            slug="idea",
            branch=f"lab/toy/ideas/{name}",
            campaign=campaign,
            epoch=1,
            strategy="random",
            hypothesis="",
            commit="c",
            tree=f"t{number}",
            parents=("p",),
            verdict=word,
            reason="",
            comparison=comparison,
            drift=drift,
        )
        self.records.append(record)
        self.history.add(record)
        self.single.add(record)

    @invariant()
    def folding_is_the_same_in_any_pieces(self) -> None:
        whole = folded(self.records, self.tries)
        assert known(whole) == known(self.single)
        held = sum(base for _, base in self.open.values())
        live = known(self.history)
        assert abs(live.pop("spent") - held - whole.spent) < 1e-12
        assert live == {name: value for name, value in known(whole).items() if name != "spent"}

    @invariant()
    def no_more_error_than_the_campaign_has(self) -> None:
        assert self.history.spent <= TOTAL * (1 + 1e-6)

    @invariant()
    def scores_hold_what_a_decision_looks_at(self) -> None:
        assert self.history.scores
        assert all(set(scores) == {"value", "cost"} for scores in self.history.scores.values())


TestCampaign = Campaign.TestCase
TestCampaign.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_another_confidence_keeps_what_was_spent() -> None:
    machine = Campaign()
    for _ in range(3):
        machine.begin()
        machine.decide(0, [0.5], "reverted", True, None)
    spent = machine.history.spent
    assert spent > 0
    wider = folded(machine.records, 4, error=0.2)
    assert wider.spent == spent and wider.take_place() == (4, 0.2 * 0.9 * 0.9 / 4)
    narrower = folded(machine.records, 4, error=0.01)
    assert narrower.spent == spent and narrower.take_place() == (4, 0.0)
