"""Who goes on from a tier: real campaigns, with real processes, on real ledgers."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.events import CampaignOpened, subscribed
from lab_plugin.feedback import Feedback
from lab_plugin.lab import Lab
from lab_plugin.ledger import Ledger, Record, TierRecord, VerdictRecord
from lab_plugin.promotion import Goal, Rung, Threshold
from lab_plugin.verification import verify_ledger
from tests.campaign.conftest import iterate, lock, take
from tests.comparison.toy import Toy, batch, idea

Run = Callable[..., Awaitable[list[VerdictRecord]]]

DECISION = 'policy = "exact"\nconfirm = 0'
TIERS = """
[tiers.proxy]
seeds   = {seeds}
promote = {promote}

[tiers.final]
seeds = 1
"""


def tiers(promote: str, seeds: object = 1) -> str:
    return TIERS.format(promote=promote, seeds=seeds)


def at(name: str, proxy: float, final: float, more: str = "") -> dict[str, Any]:
    """An idea with a value at each tier."""
    return idea(name, trait=f"proxy={proxy} final={final} {more}".strip())


def results(toy: Toy) -> list[TierRecord]:
    lab = Lab.open(toy.folder)
    try:
        return list(lab.ledger.state().results)
    finally:
        lab.close()


async def test_the_best_third_goes_on_the_moment_it_is_due(make_toy: Callable[..., Toy], run: Run) -> None:
    toy = make_toy(decision=DECISION, tiers=tiers("{ quantile = 0.34 }"))
    toy.plan(at("a", 1, 20), at("b", 3, 11), at("c", 2, 30), at("d", 4, 25), at("e", 0, 99), at("f", 2.5, 40))
    await lock(toy.folder)
    records = await run(toy, 6)
    # The third result makes the second idea due; the sixth one a further idea that had waited or is new.
    assert toy.visits("proxy") == [1, 2, 3, 4, 5, 6]
    assert toy.visits("final") == [2, 4]
    by_number = {record.number: record for record in records}
    assert {number: record.verdict for number, record in by_number.items() if record.value is not None} == {
        2: "kept",
        4: "kept",
    }
    assert [by_number[number].tier for number in range(1, 7)] == [
        "proxy",
        "final",
        "proxy",
        "final",
        "proxy",
        "proxy",
    ]
    best = by_number[6]
    assert (best.verdict, best.value, best.difference, best.metrics) == ("reverted", None, None, {})
    assert best.tiers == {"proxy": 2.5}
    assert "not promoted from the tier proxy: rank 3 of 6" in best.reason
    assert by_number[4].tiers == {"proxy": 4.0}
    # A dearer tier's champion is never compared with a cheaper tier's value, and the other way round.
    assert by_number[4].champion_value == 11.0


async def test_a_budget_of_too_few_ideas_for_a_rule_is_told(make_toy: Callable[..., Toy], run: Run) -> None:
    toy = make_toy(decision=DECISION, tiers=tiers("{ quantile = 0.34 }"))
    toy.plan(at("a", 1, 20), at("b", 3, 11), at("c", 2, 30), at("d", 4, 25), at("e", 0, 99))
    await lock(toy.folder)
    opened: list[CampaignOpened] = []
    with subscribed(lambda event: opened.append(event) if isinstance(event, CampaignOpened) else None):
        await run(toy, 2)
        await run(toy, 3)
    told = [event.warning for event in opened]
    assert "nothing will go on from the tier proxy: a share of 0.34 of at most 2 ideas" in told[0]
    assert "tier proxy" not in told[1]


async def test_a_cohort_sends_its_best_on(make_toy: Callable[..., Toy], run: Run) -> None:
    toy = make_toy(decision=DECISION, tiers=tiers("{ top_k = 1, of = 2 }"))
    toy.plan(at("a", 1, 11), at("b", 3, 12), at("c", 7, 13), at("d", 4, 14))
    await lock(toy.folder)
    records = await run(toy, 4)
    assert toy.visits("final") == [2, 3]
    assert [record.number for record in records] == [1, 2, 4, 3]


async def test_the_best_of_a_campaign_go_on_at_its_end(make_toy: Callable[..., Toy], run: Run) -> None:
    toy = make_toy(decision=DECISION, tiers=tiers("{ top_k = 2 }"))
    toy.plan(*(at(f"i{proxy}", proxy, 10 + proxy) for proxy in (3, 9, 1, 7, 5)))
    await lock(toy.folder)
    records = await run(toy, 5)
    assert toy.visits("final") == [2, 4] or toy.visits("final") == [4, 2]
    assert len(records) == 5
    assert sum(record.tier == "proxy" for record in records) == 3


async def test_a_bar_lets_through_what_reaches_it(make_toy: Callable[..., Toy], run: Run) -> None:
    toy = make_toy(decision=DECISION, tiers=tiers("{ threshold = 5 }"))
    toy.plan(at("a", 4, 20), at("b", 5, 21), at("c", 6, 5))
    await lock(toy.folder)
    records = await run(toy, 3)
    assert [(record.verdict, record.tier) for record in records] == [
        ("reverted", "proxy"),
        ("kept", "final"),
        ("reverted", "final"),
    ]


async def test_the_decision_rule_promotes_what_it_keeps_there(make_toy: Callable[..., Toy], run: Run) -> None:
    toy = make_toy(decision=DECISION, tiers=tiers('"decision"'))
    toy.plan(at("a", 9, 20), at("b", 11, 21), at("c", 10.5, 30), at("d", 12, 40))
    await lock(toy.folder)
    records = await run(toy, 4)
    # The champion of the moment is scored at the tier too: idea 2 has 11 there.
    assert [record.tier for record in records] == ["proxy", "final", "proxy", "final"]
    found = {result.number: result for result in results(toy)}
    assert [found[number].passed for number in (1, 2, 3, 4)] == [False, True, False, True]
    assert found[3].comparison is not None
    assert found[3].comparison.champion == 2
    assert found[3].comparison.against["value"] == (11.0,)


async def test_a_noisy_tier_takes_as_many_seeds_as_its_answer_needs(
    make_toy: Callable[..., Toy], run: Run
) -> None:
    promote = '"decision"\n[tiers.proxy.decision]\npolicy = "significant"\nmax_repeats = 12'
    toy = make_toy(spread=1.0, decision=DECISION, tiers=tiers(promote))
    toy.plan(idea("poor", -6.0), idea("good", 9.0))
    await lock(toy.folder)
    records = await run(toy, 2)
    assert [record.tier for record in records] == ["proxy", "final"]
    poor, good = results(toy)
    assert (poor.passed, good.passed) == (False, True)
    assert 1 <= len(poor.seeds) < len(good.seeds) <= 12
    assert len(set(good.seeds)) == len(good.seeds)


async def test_a_value_is_the_mean_of_the_tiers_seeds(make_toy: Callable[..., Toy], run: Run) -> None:
    toy = make_toy(spread=1.0, decision=DECISION, tiers=tiers("{ threshold = -100 }", [3, 5, 9]))
    toy.plan(idea("one", 1.0))
    await lock(toy.folder)
    await run(toy, 1)
    (found,) = results(toy)
    values = tuple(toy.value("one", 1.0, seed) for seed in (3, 5, 9))
    assert (found.seeds, found.values) == ((3, 5, 9), values)
    assert found.value == pytest.approx(sum(values) / 3)


async def test_what_crashes_at_a_tier_goes_no_further(make_toy: Callable[..., Toy], run: Run) -> None:
    toy = make_toy(decision=DECISION, tiers=tiers("{ quantile = 1.0 }", 2))
    toy.plan(idea("a", 1.0, "crash-proxy"), idea("b", 2.0, "crash=1"), idea("c", 3.0, "crash-final"))
    await lock(toy.folder)
    records = await run(toy, 3)
    assert [(record.verdict, record.tier, record.tiers) for record in records] == [
        ("crashed", "proxy", {}),
        ("crashed", "proxy", {}),
        ("crashed", "final", {"proxy": 13.0}),
    ]
    assert toy.visits("final") == [3]


async def test_the_best_point_of_a_batch_goes_on_alone(make_toy: Callable[..., Toy], run: Run) -> None:
    toy = make_toy(decision=DECISION, tiers=tiers("{ quantile = 1.0 }"))
    points = (("a", 0.0, "proxy=1 final=30"), ("b", 0.0, "proxy=3 final=20"), ("c", 0.0, "proxy=2 final=40"))
    toy.plan(batch("three", *points))
    await lock(toy.folder)
    (record,) = await run(toy, 1)
    assert (record.verdict, record.value, record.params["name"]) == ("kept", 20.0, "b")
    (found,) = results(toy)
    assert [point.value for point in found.points] == [1.0, 3.0, 2.0]
    assert toy.visits("final") == [1]


async def test_the_same_tree_is_answered_at_each_tier_by_itself(
    make_toy: Callable[..., Toy], run: Run
) -> None:
    toy = make_toy(decision=DECISION, tiers=tiers("{ quantile = 0.5 }", 2))
    again = [at("a", 1, 20), at("b", 3, 21), at("a", 1, 20), at("b", 3, 21)]
    toy.plan(*again)
    await lock(toy.folder)
    records = await run(toy, 4)
    assert toy.visits("proxy") == [1, 1, 2, 2]
    assert [found.duplicate_of for found in results(toy)] == [None, None, 1, 2]
    assert len(records) == 4


async def test_ideas_that_wait_go_on_after_a_crash(make_toy: Callable[..., Toy], run: Run) -> None:
    toy = make_toy(decision=DECISION, tiers=tiers("{ quantile = 0.34 }"))
    toy.plan(at("a", 5, 20), at("b", 3, 11), at("c", 2, 30), at("d", 1, 25))
    await lock(toy.folder)
    async with open_campaign(Lab.open(toy.folder), Plan({"iterations": 4})) as campaign:
        for _ in range(2):
            number = await campaign.next()
            assert number is not None
            await campaign.propose(number)
            assert await take(campaign, number) is None
        campaign.stop("asked")
    assert [found.number for found in results(toy)] == [1, 2]
    records = await run(toy, 4)
    # The first idea waited, and is due by the third one's result; none ran twice at the cheap tier.
    assert toy.visits("proxy") == [1, 2, 3, 4]
    assert toy.visits("final") == [1]
    assert len(records) == 4


async def test_a_campaign_that_is_out_of_luck_lets_nobody_go_on(
    make_toy: Callable[..., Toy], run: Run
) -> None:
    toy = make_toy(decision=DECISION, tiers=tiers("{ top_k = 2 }"))
    toy.replace("crashes = 100", "crashes = 2")
    toy.plan(at("a", 5, 20), at("b", 3, 11, "crash-proxy"), at("c", 3, 11, "crash-proxy"))
    await lock(toy.folder)
    records = await run(toy, 9)
    assert [record.number for record in records] == [2, 3, 1]
    assert records[-1].reason == "it waited to be promoted when the campaign ended: 2 crashes in a row"


async def test_the_order_of_results_does_not_hang_on_the_number_of_slots(
    make_toy: Callable[..., Toy],
) -> None:
    told = []
    for jobs in (1, 4):
        toy = make_toy(f"jobs-{jobs}", spread=1.0, decision="confirm = 0", tiers=tiers("{ quantile = 0.5 }"))
        toy.replace('name  = "scripted"', 'name  = "scripted"\norder = "deterministic"\nwindow = 4')
        # Some take longer, so that they would overtake each other; two are the same.
        gains = [(n * 37) % 11 / 2 for n in range(12)]
        toy.plan(
            *(idea(f"i{n}", gains[n], f"nap={n % 3 / 10}") for n in range(11)),
            idea("i4", gains[4], "nap=0.1"),
        )
        await lock(toy.folder)
        told.append(_told(await parallel(toy, 12, jobs)))
    assert told[0] == told[1]
    assert {word for _, word, *_ in told[0]} >= {"kept", "reverted"}


async def test_a_proposer_is_told_of_tiers_by_name(make_toy: Callable[..., Toy], run: Run) -> None:
    toy = make_toy(decision=DECISION, tiers=tiers("{ threshold = 2 }"))
    points = (("b", 0.0, "proxy=3 final=20"), ("c", 0.0, "proxy=2 final=40"))
    toy.plan(at("a", 1, 20), batch("two", *points))
    await lock(toy.folder)
    await run(toy, 2)
    lab = Lab.open(toy.folder)
    records = [entry.record for entry in lab.ledger.records()]
    known = [record for record in records if isinstance(record, TierRecord | VerdictRecord)]
    told = list(Feedback(lab).history(known, 1, 0))
    lab.close()
    shown = [(each.params["name"], each.value, dict(each.tiers), each.waits, each.verdict) for each in told]
    assert shown == [
        ("a", None, {"proxy": 1.0}, True, ""),
        ("a", None, {"proxy": 1.0}, False, "reverted"),
        ("c", None, {"proxy": 2.0}, False, "reverted"),
        ("b", None, {"proxy": 3.0}, True, ""),
        ("b", 20.0, {"proxy": 3.0}, False, "kept"),
    ]


async def test_a_promotion_that_was_not_due_is_found_by_verify(
    make_toy: Callable[..., Toy], monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = make_toy(decision=DECISION, tiers=tiers("{ quantile = 0.34 }"))
    toy.plan(at("a", 5, 20), at("b", 3, 11), at("c", 2, 30))
    await lock(toy.folder)
    # A program that lets everybody through.
    honest = Rung.__init__

    def lax(rung: Rung, rule: object, goal: Goal) -> None:
        honest(rung, Threshold(-100.0), goal)

    with monkeypatch.context() as patched:
        patched.setattr(Rung, "__init__", lax)
        async with open_campaign(Lab.open(toy.folder), Plan({"iterations": 3})) as campaign:
            assert [record.tier async for record in iterate(campaign)] == ["final"] * 3
    lab = Lab.open(toy.folder)
    told = "\n".join(verify_ledger(lab))
    lab.close()
    assert "idea 1 went on from the tier proxy, and was not due: rank 1 of 1, and none of so few" in told
    assert "idea 2 went on" in told


async def test_a_result_with_another_decision_is_found_by_verify(
    make_toy: Callable[..., Toy], monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = make_toy(decision=DECISION, tiers=tiers('"decision"'))
    toy.plan(at("a", 9, 20))
    await lock(toy.folder)
    honest = Rung.add

    def add(rung: Rung, number: int, value: float, passed: bool | None = None) -> tuple[int, ...]:
        return honest(rung, number, value, True)

    append = Ledger.append

    def forged(ledger: Ledger, record: Record, **rest: Any) -> Any:
        if isinstance(record, TierRecord):
            record = record.model_copy(update={"passed": True})
        return append(ledger, record, **rest)

    with monkeypatch.context() as patched:
        patched.setattr(Rung, "add", add)
        patched.setattr(Ledger, "append", forged)
        async with open_campaign(Lab.open(toy.folder), Plan({"iterations": 1})) as campaign:
            assert [record.tier async for record in iterate(campaign)] == ["final"]
    lab = Lab.open(toy.folder)
    assert "idea 1 at the tier proxy is not what the rule decides there: revert" in "\n".join(
        verify_ledger(lab)
    )
    lab.close()


def _told(records: list[VerdictRecord]) -> list[tuple[object, ...]]:
    """All of the verdicts but times, and ids that hang on a folder."""
    numbers = {record.commit: record.number for record in records}
    return [
        (
            record.number,
            record.verdict,
            record.reason,
            record.value,
            record.tiers,
            record.params,
            [numbers.get(parent, 0) for parent in record.parents],
            record.duplicate_of,
            record.comparison,
        )
        for record in records
    ]


async def parallel(toy: Toy, iterations: int, jobs: int) -> list[VerdictRecord]:
    async with open_campaign(Lab.open(toy.folder), Plan({"iterations": iterations})) as campaign:

        async def work() -> None:
            async for _ in iterate(campaign):
                pass

        async with asyncio.TaskGroup() as slots:
            for _ in range(jobs):
                slots.create_task(work())
    lab = Lab.open(toy.folder)
    try:
        assert verify_ledger(lab) == []
    finally:
        lab.close()
    return toy.records()
