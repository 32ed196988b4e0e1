"""A campaign that goes on where ideas have results at several tiers."""

from collections.abc import Callable

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.lab import Lab
from lab_plugin.verification import verify_ledger
from tests.campaign.conftest import iterate, lock, take
from tests.comparison.toy import Toy, idea

TIERS = """
[tiers.rough]
seeds   = 1
promote = { top_k = 2 }

[tiers.mid]
seeds   = 1
promote = { top_k = 1 }

[tiers.final]
seeds = 1
"""


async def test_ideas_that_went_on_at_the_very_end_are_not_asked_again(
    make_toy: Callable[..., Toy],
) -> None:
    toy = make_toy(decision='policy = "exact"\nconfirm = 0', tiers=TIERS)
    toy.plan(*(idea(f"i{gain}", float(gain)) for gain in (5, 9, 7, 8)))
    await lock(toy.folder)
    async with open_campaign(Lab.open(toy.folder), Plan({"iterations": 3})) as campaign:
        # The best two of three went on, and one has its result at the next tier.
        for expected in (1, 2, 3, 2):
            assert await campaign.next() == expected
            await campaign.propose(expected)
            assert await take(campaign, expected) is None
        campaign.stop("asked")
    async with open_campaign(Lab.open(toy.folder), Plan({})) as campaign:
        assert campaign.resumed
        assert await campaign.next() == 3
        campaign.stop("asked")
    # In a further campaign it counts where it was.
    async with open_campaign(Lab.open(toy.folder), Plan({"iterations": 3}, fresh=True)) as campaign:
        assert [record.number async for record in iterate(campaign)] != []
    assert toy.visits("rough") == [1, 2, 3, 4]
    assert toy.visits("mid").count(2) == 1 and 1 not in toy.visits("mid")
    assert toy.visits("final") == [2]
    lab = Lab.open(toy.folder)
    try:
        assert verify_ledger(lab) == []
    finally:
        lab.close()
