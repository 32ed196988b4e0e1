"""One campaign under two confidences, and ledgers whose comparisons somebody changed."""

from collections.abc import Callable
from typing import Any

import pytest

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.lab import Lab
from lab_plugin.verification import prove_lab
from tests.campaign.conftest import iterate, lock
from tests.comparison.conftest import Run, faults
from tests.comparison.toy import Toy, idea
from tests.conftest import git
from tests.verification.test_ledger import rewrite

NOISY = "confidence = 0.95\nnoise = 1.0\ncalibrate = 1\ntries = 10\nmax_repeats = 3\nconfirm = 0\n"


async def test_what_was_spent_stays_spent_and_a_changed_record_is_found(
    make_toy: Callable[..., Toy], run: Run
) -> None:
    toy = make_toy(spread=1.0, decision=NOISY)
    toy.plan(idea("n1"), idea("n2"), idea("better", 6.0), idea("n3", 6.0), idea("n4", 6.0), idea("n5"))
    await lock(toy.folder)
    async with open_campaign(Lab.open(toy.folder), Plan({"iterations": 6})) as campaign:
        async for record in iterate(campaign):
            if record.number == 4:
                campaign.stop("asked")
    toy.replace("confidence = 0.95", "confidence = 0.98")
    await lock(toy.folder, "less error")
    n1, n2, better, n3, n4, n5 = await run(toy, 6)
    assert [record.campaign for record in (n1, n5)] == [1, 1] and (n3.epoch, n4.epoch) == (1, 2)
    assert better.verdict == "kept" and better.comparison is not None
    share = 0.05 * 0.81 / 10
    for record in (n1, n2, n3):
        assert record.comparison is not None and record.comparison.level == pytest.approx(share)
    # Four shares of the old error leave the new one 0.018 - 4 * 0.00405 = 0.0018.
    shares = [record.comparison.level if record.comparison else -1 for record in (n4, n5)]
    assert shares == pytest.approx([0.02 * 0.81 / 10, 0.0018 - 0.02 * 0.81 / 10])
    places = [r.comparison.place for r in (n1, n2, better, n3, n4, n5) if r.comparison]
    assert places == [1, 2, 3, 4, 5, 6]
    assert n4.comparison is not None and n4.comparison.champion == 3
    assert n4.comparison.seeds[0] == 0 and n5.comparison is not None and n5.comparison.raised > 0

    # Each of these is a whole, well-hashed ledger that says something else.
    found = better.comparison.model_dump(mode="json")
    ours, theirs = found["candidate"]["value"], found["against"]["value"]
    lower = [theirs[0] + 0.1, *ours[1:]]
    small = [value - 6.0 for value in ours]
    seeds = [found["seeds"][0], *found["seeds"][:-1]]

    def told(values: list[float]) -> dict[str, Any]:
        comparison = {**found, "candidate": {**found["candidate"], "value": values}}
        mean = sum(values) / len(values)
        metrics = {**better.metrics, "value": values[0]}
        assert better.champion_value is not None
        difference = mean - better.champion_value
        return {"comparison": comparison, "value": mean, "difference": difference, "metrics": metrics}

    quiet = {**found["noise"], "value": {**found["noise"]["value"], "sd": 1e-9}}
    lies: dict[str, tuple[dict[str, Any], str]] = {
        "a score": ({"comparison": told(lower)["comparison"]}, "is not the mean of its scores"),
        "a seed twice": ({"comparison": {**found, "seeds": seeds}}, "counts a seed twice"),
        "a verdict turned": ({"verdict": "reverted"}, "is not what the rule of epoch 1 decides"),
        "scores without the improvement": (told(small), "is not what the rule of epoch 1 decides"),
        "another champion": ({"comparison": {**found, "champion": 2}}, "champion of its time"),
        "a larger share": (
            {"comparison": {**found, "level": 0.9, "raised": 0.9}},
            "more than its share of the error",
        ),
        "a share after keeps that were none": (
            {"comparison": {**found, "raised": 3 * found["raised"]}},
            "more than its share of the error",
        ),
        "a smaller campaign": ({"comparison": {**found, "tries": 1}}, "laid out for 1 ideas"),
        "no place": ({"comparison": {**found, "place": 0}}, "that no idea before it left"),
        "another's place": ({"comparison": {**found, "place": 1}}, "has the place of idea 1"),
        "a smaller noise": ({"comparison": {**found, "noise": quiet}}, "another noise of value"),
        "more repeats": ({"comparison": {**found, "max_repeats": 999}}, "more repeats than the rule allows"),
        "a pair less": ({"comparison": {**found, "seeds": found["seeds"][1:]}}, "one pair for each seed"),
    }
    lab = Lab.open(toy.folder)
    place = prove_lab(lab).ledger.ideas[better.number].record
    head = lab.ledger.head() or ""
    lab.close()
    for name, (change, word) in lies.items():
        lab = Lab.open(toy.folder)
        rewrite(lab, place, change)
        (lab.folder / "verified.json").unlink(missing_ok=True)
        own = [str(problem) for problem in prove_lab(lab).problems if problem.idea == better.number]
        lab.close()
        assert any(word in problem for problem in own), (name, own)
        git(toy.folder, "update-ref", "refs/lab/toy/ledger", head)
    assert faults(toy) == []
