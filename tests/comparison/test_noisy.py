"""Campaigns over a noisy scorer: what is kept, what it costs, and what its records hold."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from statistics import fmean
from typing import Any

import pytest

from lab_plugin.decision import comparison_seed
from lab_plugin.ledger import Ledger, VerdictRecord
from tests.campaign.conftest import lock
from tests.comparison.conftest import Run
from tests.comparison.toy import Toy, batch, idea

NOISY = "noise = 1.0\ncalibrate = 1\ntries = 10\nmax_repeats = 6\n"
SHARE = 0.05 * 0.9 * 0.9 / 10


def assert_true(toy: Toy, record: VerdictRecord, name: str, gain: float, champion: tuple[str, float]) -> None:
    """What a record holds is what candidate and champion score."""
    found = record.comparison
    assert found is not None and record.value is not None and record.champion_value is not None
    assert found.seeds == tuple(comparison_seed(0, index) for index in range(len(found.seeds)))
    ours = [toy.value(name, gain, seed) for seed in found.seeds]
    theirs = [toy.value(*champion, seed) for seed in found.seeds]
    assert found.candidate["value"] == pytest.approx(ours)
    assert found.against["value"] == pytest.approx(theirs)
    assert record.value == pytest.approx(fmean(ours)) and record.metrics["value"] == pytest.approx(ours[0])
    assert record.champion_value == pytest.approx(fmean(theirs))
    assert record.difference == record.value - record.champion_value
    assert found.level == found.error_spent == pytest.approx(SHARE)


async def test_noise_is_not_kept_and_an_improvement_is(make_toy: Callable[..., Toy], run: Run) -> None:
    toy = make_toy(spread=1.0, decision=NOISY)
    steps = [("n1", 0.0), ("n2", 0.0), ("better", 4.0), ("n3", 4.0), ("worse", -3.0)]
    again = [
        idea("n1"),
        idea("better", 4.0),
        batch("batch", ("p1", 4.0, ""), ("p2", 9.0, ""), ("p3", 2.0, "")),
    ]
    toy.plan(*(idea(name, gain) for name, gain in steps), *again)
    await lock(toy.folder)
    locked = toy.runs()
    records = await run(toy, 8)
    first, twin, own, picked = records[: len(steps)], *records[len(steps) :]
    assert [record.verdict == "kept" for record in first] == [name == "better" for name, _ in steps]
    for record, (name, gain) in zip(first, steps, strict=True):
        assert_true(toy, record, name, gain, ("base", 0.0) if record.number <= 3 else ("better", 4.0))
        assert record.comparison is not None
        assert record.comparison.champion == (0 if record.number <= 3 else 3)
        assert record.comparison.place == record.number
        assert record.comparison.raised == pytest.approx(SHARE * (1 if record.number <= 3 else 2))
        repeats = len(record.comparison.seeds)
        assert f"{repeats} repeat" in record.reason and "evidence" in record.reason, record.reason
    assert toy.runs("worse") == [0], "the hopeless cost one run"
    kept = first[2].comparison
    assert kept is not None and kept.controlled and kept.corrected is not None and kept.low is not None
    assert 0 < kept.low < 4 and kept.corrected < (kept.difference or 0)
    # Nothing is drawn twice: not an idea's repeats, nor the champion's, whoever they were drawn for.
    assert max(Counter((name, seed) for name in toy.names() for seed in toy.runs(name)).values()) == 1
    most = max(len(record.comparison.seeds) for record in first[:3] if record.comparison)
    assert toy.runs("base") == [*locked, *range(1, most)]

    # The same tree once more is answered by what is known of it, beside the champion of now.
    assert twin.duplicate_of == 1 and twin.comparison is not None and twin.verdict == "reverted"
    assert twin.reason.startswith("duplicate of idea 1, not run again; ")
    assert_true(toy, twin, "n1", 0.0, ("better", 4.0))
    assert (own.verdict, own.duplicate_of, own.difference) == ("reverted", 3, 0.0)
    assert "equal" in own.reason and toy.runs("better").count(0) == 1

    # The score that a point was picked by is no evidence.
    assert picked.verdict == "kept" and picked.reason.startswith("best of 3 points is better")
    assert picked.params["name"] == "p2" and [point.value is None for point in picked.points] == [False] * 3
    assert picked.comparison is not None and picked.comparison.points == 3
    champion = toy.value("better", 4.0, 0)
    rivals = [toy.value("p1", 4.0, 0) - champion, toy.value("p3", 2.0, 0) - champion]
    assert picked.comparison.rivals == pytest.approx(sorted(rivals, reverse=True))
    assert toy.runs("p1") == toy.runs("p3") == [0] and len(toy.runs("p2")) == len(picked.comparison.seeds)


async def test_a_keep_in_between(
    make_toy: Callable[..., Toy], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An idea in the middle of its repeats when another is kept goes on beside the new champion, at once."""
    toy = make_toy(spread=1.0, decision=NOISY)
    toy.plan(idea("slow", 3.0), *(idea(f"n{number}") for number in range(2)), idea("fast", 6.0), idea("n9"))
    await lock(toy.folder)
    waiting = toy.shut("slow", 1)
    toy.shut("fast", 0)
    append = Ledger.append

    def appended(self: Ledger, record: Any, **rest: Any) -> object:
        """The disk is slow: the ledger has the keep, and the campaign does not know yet."""
        entry = append(self, record, **rest)
        if getattr(record, "verdict", "") == "kept" and record.title == "fast":
            assert waiting.exists()
            toy.open("slow")
            before, deadline = len(toy.runs()), time.monotonic() + 10
            while len(toy.runs()) == before and time.monotonic() < deadline:
                time.sleep(0.02)
            time.sleep(0.3)
        return entry

    monkeypatch.setattr(Ledger, "append", appended)
    decided: list[str] = []

    def then(record: VerdictRecord) -> None:
        decided.append(record.title)

    async def open_fast() -> None:
        """Once the other one waits, which may be after all others are decided."""
        while not waiting.exists():
            await asyncio.sleep(0.02)
        toy.open("fast")

    opening = asyncio.create_task(open_fast())
    records = {record.title: record for record in await run(toy, 5, then, jobs=4)}
    await opening
    assert decided.index("fast") < decided.index("slow")
    assert records["fast"].verdict == "kept"
    found = records["slow"].comparison
    assert records["slow"].verdict == "reverted" and found is not None
    assert found.champion == records["fast"].number
    assert_true(toy, records["slow"], "slow", 3.0, ("fast", 6.0))
    places = [record.comparison.place for record in records.values() if record.comparison]
    assert sorted(places) == [1, 2, 3, 4, 5]
    assert max(Counter((name, seed) for name in toy.names() for seed in toy.runs(name)).values()) == 1
