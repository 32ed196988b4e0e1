"""`lab lock` on a scorer with and without noise."""

import json
from collections.abc import Callable

import pytest

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.decision import calibration_seed, comparison_seed, estimate_noise
from lab_plugin.errors import LockError
from lab_plugin.lab import Lab
from lab_plugin.ledger import LockRecord
from lab_plugin.lock_in_force import require_lock
from tests.campaign.conftest import lock
from tests.comparison.toy import Toy
from tests.conftest import git

FILE = "lab.lock"


def locked(toy: Toy) -> LockRecord:
    lab = Lab.open(toy.folder)
    record, _ = require_lock(lab)
    lab.close()
    return record


async def test_three_equal_runs_are_enough(make_toy: Callable[..., Toy]) -> None:
    toy = make_toy(decision="seed = 7\ncalibrate = 9")
    await lock(toy.folder)
    assert toy.runs() == [7, calibration_seed(7, 0), calibration_seed(7, 1)]
    record = locked(toy)
    assert record.noise["value"].sd == 0
    assert record.calibration == {"value": (10.0, 10.0)}
    # One look at the file, one at what the ledger holds: they are the same.
    document = json.loads((toy.folder / FILE).read_text())
    assert document["noise"]["value"]["sd"] == 0
    assert document["detectable"] == record.detectable
    document["noise"]["value"]["sd"] = 3.0
    (toy.folder / FILE).write_text(json.dumps(document))
    with pytest.raises(LockError, match="edited by hand: its noise"):
        async with open_campaign(Lab.open(toy.folder), Plan({"iterations": 1})):
            pass
    assert len(toy.runs()) == 3
    # `lab lock` says the same again, and runs nothing.
    await lock(toy.folder)
    assert locked(toy) == record and len(toy.runs()) == 3


async def test_noise_is_measured_on_seeds_of_their_own(make_toy: Callable[..., Toy]) -> None:
    guards = "[decision.guards]\ncost = { may_rise = 5.0 }\nextra = { at_most = 1e9 }"
    toy = make_toy(spread=2.0, cost=3.0, decision=f"calibrate = 4\ntries = 10\n{guards}")
    await lock(toy.folder)
    seeds = [calibration_seed(0, index) for index in range(4)]
    assert toy.runs() == [0, *seeds]
    assert not set(seeds) & {comparison_seed(0, index) for index in range(10_000)}
    record = locked(toy)
    assert set(record.noise) == set(record.calibration) == {"value", "cost", "extra"}
    values = tuple(toy.value("base", 0.0, seed) for seed in seeds)
    assert record.calibration["value"] == pytest.approx(values)
    assert record.value == pytest.approx(toy.value("base", 0.0, 0))
    for name, noise in record.noise.items():
        expected = estimate_noise(record.calibration[name])
        assert (noise.sd, noise.df, noise.origin) == (expected.sd, 3, "calibrated")
    assert record.detectable is not None and record.detectable > record.noise["value"].sd
    document = json.loads((toy.folder / FILE).read_text())
    assert document["noise"]["cost"]["sd"] == record.noise["cost"].sd
    assert document["detectable"] == record.detectable


async def test_stated_noise_is_taken_as_it_is(make_toy: Callable[..., Toy]) -> None:
    toy = make_toy(spread=2.0, decision="calibrate = 1\nnoise = 2.5")
    await lock(toy.folder)
    noise = locked(toy).noise["value"]
    assert (noise.sd, noise.df, noise.origin) == (2.5, 0, "stated")


async def test_what_cannot_be_calibrated_is_not_locked(make_toy: Callable[..., Toy]) -> None:
    crashing = make_toy("crashing", trait=f"crash={calibration_seed(0, 1)}", spread=1.0)
    with pytest.raises(LockError, match=f"no score with LAB_SEED={calibration_seed(0, 1)}: (.|\n)*no luck"):
        await lock(crashing.folder)
    lacking = make_toy("lacking", decision="[decision.guards]\nlatency = { at_most = 3 }")
    with pytest.raises(LockError, match=r"metric 'latency', which the scorecard lacks \(.*cost.*value"):
        await lock(lacking.folder)
    assert len(lacking.runs()) == 1
    for toy in (crashing, lacking):
        assert git(toy.folder, "for-each-ref", "refs/lab/toy/ledger", "refs/heads/lab") == ""
        assert not (toy.folder / FILE).exists()
