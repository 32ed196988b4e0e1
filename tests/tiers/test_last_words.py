"""The last word of a tier's rule: who goes on by it, also after a kill, and what may not come after it."""

import asyncio
from collections.abc import Callable

import pytest

from lab_plugin.campaign import Plan, _spending, open_campaign
from lab_plugin.feedback import Feedback
from lab_plugin.lab import Lab
from lab_plugin.ledger import TierRecord, VerdictRecord
from lab_plugin.repository import RefChange
from lab_plugin.verification import verify_ledger
from tests.campaign.conftest import iterate, lock
from tests.campaign.test_waiting import Clock
from tests.comparison.toy import Toy, idea
from tests.tiers.labs import opened
from tests.tiers.test_forged import reorder
from tests.tiers.test_promotion import parallel
from tests.verification.test_ledger import rewrite

TIERS = """
[tiers.proxy]
seeds   = 1
promote = {{ top_k = {places} }}

[tiers.final]
seeds = 1
"""
DECISION = 'policy = "exact"\nconfirm = 0'


async def test_a_kill_between_verdicts_lets_no_others_go_on(make_toy: Callable[..., Toy]) -> None:
    toy = make_toy(decision=DECISION, tiers=TIERS.format(places=2))
    toy.plan(*(idea(f"i{gain}", float(gain)) for gain in (5, 9, 7, 8)))
    await lock(toy.folder)
    async with open_campaign(Lab.open(toy.folder), Plan({"iterations": 4})) as campaign:
        async for record in iterate(campaign):
            if record.tier == "final":
                break
        campaign.stop("asked")
    assert toy.visits("final") == [2]
    async with open_campaign(Lab.open(toy.folder), Plan({})) as campaign:
        assert [record.number async for record in iterate(campaign)][-1] in (1, 3, 4)
    assert sorted(toy.visits("final")) == [2, 4]
    with opened(toy.folder) as lab:
        assert len(lab.ledger.state().ideas) == 4
        assert verify_ledger(lab) == []


async def test_what_comes_after_it_is_told(
    make_toy: Callable[..., Toy], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab_plugin.ledger._verify._PAUSE", 0.0)
    toy = make_toy(decision=DECISION, tiers=TIERS.format(places=1))
    toy.plan(*(idea(f"i{gain}", float(gain)) for gain in (5, 9, 7)))
    await lock(toy.folder)
    async with open_campaign(Lab.open(toy.folder), Plan({"iterations": 3})) as campaign:
        assert [record.number async for record in iterate(campaign)] == [2]
    with opened(toy.folder) as lab:
        assert verify_ledger(lab) == []
        head, entries = lab.ledger.head(), [entry.record for entry in lab.ledger.records()]
    at = {
        ("result" if isinstance(record, TierRecord) else "verdict", record.number): position
        for position, record in enumerate(entries, 1)
        if isinstance(record, TierRecord | VerdictRecord)
    }
    first, last = min(at.values()), max(at.values())
    frame = list(range(1, first)), list(range(last + 1, len(entries) + 1))

    def told(*order: tuple[str, int], claim: str = "") -> str:
        with opened(toy.folder) as lab:
            if claim:
                change = {"reason": f"it waited to be promoted when the campaign ended: {claim}"}
                rewrite(lab, at["verdict", 1], change)
            if order:
                reorder(lab, [*frame[0], *(at[each] for each in order), *frame[1]])
        with opened(toy.folder) as lab:
            found = "\n".join(verify_ledger(lab))
            lab.repository.update_refs([RefChange(lab.ledger.ref, head)])
        return found

    results = [("result", number) for number in (1, 2, 3)]
    dropped = [("verdict", number) for number in (3, 1)]
    # Another order than it had, and as good.
    assert "idea" not in told(*reversed(results), ("verdict", 2), *dropped)
    early = told(*results[:2], ("verdict", 2), results[2], *dropped)
    assert "idea 3 at the tier proxy came after the last word of the tier's rule, by which idea 2" in early
    suppressed = told(results[0], ("verdict", 1), *results[1:], ("verdict", 2), dropped[0])
    assert "idea 1 was due to go on from the tier proxy, and was reverted" in suppressed
    assert (
        "idea 2 at the tier proxy came after the last word of the tier's rule, by which idea 1" in suppressed
    )
    for claim in ("2 crashes in a row", "0.5 hours are spent", "target reached: 19"):
        assert f"as its campaign had ended, which it had not: {claim}" in told(claim=claim)


async def test_nothing_goes_on_after_the_end_of_a_campaign(
    make_toy: Callable[..., Toy], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab_plugin.ledger._verify._PAUSE", 0.0)
    toy = make_toy(decision=DECISION, tiers=TIERS.format(places=2))
    toy.plan(*(idea(f"i{gain}", float(gain)) for gain in (5, 9)))
    toy.replace("crashes = 100", "hours = 0.0006")
    await lock(toy.folder)
    clock = Clock()
    monkeypatch.setattr(_spending, "time", clock)
    begun = [toy.shut(name, 0) for name in ("i5", "i9")]

    async def pass_time() -> None:
        """Both begin before the time is over, and end after it."""
        while not all(path.exists() for path in begun):
            await asyncio.sleep(0.02)
        clock.now = 3.0
        toy.open("i5")
        toy.open("i9")

    passing = asyncio.create_task(pass_time())
    records = await parallel(toy, 9, 2)
    await passing
    why = "it waited to be promoted when the campaign ended: 0.0006 hours are spent"
    assert [(record.verdict, record.reason) for record in records] == 2 * [("reverted", why)]
    with opened(toy.folder) as lab:
        for record in records:
            (told,) = Feedback(lab).of(record)
            assert (told.verdict, told.value, told.reason) == ("reverted", None, why)
            assert dict(told.tiers) == dict(record.tiers) != {}
        at = {
            (isinstance(entry.record, VerdictRecord), entry.record.number): position
            for position, entry in enumerate(lab.ledger.records(), 1)
            if isinstance(entry.record, TierRecord | VerdictRecord)
        }
        first, last = min(at.values()), max(at.values())
        order = [at[False, 2], at[True, 2], at[False, 1], at[True, 1]]
        order = [*range(1, first), *order, *range(last + 1, len(lab.ledger.records()) + 1)]
        reorder(lab, order)
    with opened(toy.folder) as lab:
        assert "went on after its campaign had ended: 0.0006 hours" in "\n".join(verify_ledger(lab))
