"""`lab verify IDEA --rerun` of ideas that stopped at tiers, or passed them."""

from pathlib import Path

from lab_plugin.verification import verify_idea, verify_ledger
from tests.comparison.toy import Toy
from tests.tiers.labs import BATCH, CRASHED, KEPT, LOST, STOPPED, TURNED, opened, records


async def test_every_way_to_end_is_made_again(made: Toy, tiered: Path) -> None:
    with opened(tiered) as lab:
        assert verify_ledger(lab) == []
        verdicts, results = records(lab)
        told = {number: (record.verdict, record.tier) for number, record in verdicts.items()}
        assert told == {
            STOPPED: ("reverted", "rough"),
            CRASHED: ("crashed", "rough"),
            TURNED: ("reverted", "mid"),
            KEPT: ("kept", "final"),
            LOST: ("crashed", "final"),
            BATCH: ("crashed", "rough"),
        }
        # What crashed is the point that went further, and its programs' time is not lost.
        assert verdicts[BATCH].params["name"] == "two"
        assert verdicts[BATCH].seconds > 0 and verdicts[BATCH].sandbox == "process"
        again = {number: await verify_idea(lab, str(number)) for number in verdicts}
        baseline = [result for result in results if result.number == KEPT]
    assert all(found.ok and found.outcome == "equal" for found in again.values()), again
    assert {number: [tier.tier for tier in found.tiers] for number, found in again.items()} == {
        STOPPED: ["rough"],
        CRASHED: ["rough"],
        TURNED: ["rough", "mid"],
        KEPT: ["rough", "mid"],
        LOST: ["rough", "mid"],
        BATCH: ["rough"],
    }
    assert (again[STOPPED].recorded, again[STOPPED].found) == (None, None)
    first, second = again[STOPPED].explanation.splitlines()
    assert first.startswith("no value at the tier final in epoch 1: reverted, not promoted from the tier")
    assert (
        second.startswith("at the tier rough, 2 seeds, sandbox process: value -") and "to the last" in second
    )
    assert "it had no score, and has none now (candidate exit status 1)" in again[CRASHED].explanation
    kept = again[KEPT].explanation
    assert kept.startswith("scored again from git (tier final, epoch 1, seed 0, sandbox process): ")
    assert [tier.found for tier in again[KEPT].tiers] == [result.value for result in baseline]
    assert "the champion's scores that it was compared with were not made again" in kept
    assert again[KEPT].tiers[1].metric == "cost"
    assert "it had no score (crashed), and has none now (tier final" in again[LOST].explanation
