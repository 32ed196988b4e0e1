"""`lab verify IDEA --rerun`: the same commit, the same scorer, and what is different about this machine."""

from collections.abc import Callable
from pathlib import Path

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.lab import Lab
from lab_plugin.verification import verify_idea
from tests.campaign.conftest import iterate, lock
from tests.conftest import git
from tests.verification.test_ledger import opened


async def test_the_champion_in_a_clone_on_another_machine(kept: Path, tmp_path: Path, home: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(kept), str(clone))
    specs = ("refs/lab/rosenbrock/ledger:refs/lab/rosenbrock/ledger", "refs/heads/lab/*:refs/heads/lab/*")
    git(clone, "fetch", "-q", "origin", *specs)
    with opened(clone) as lab:
        best = await verify_idea(lab, "best")
        idea = await verify_idea(lab, str(best.number))
    assert best.ok and best.outcome == "equal" and best.changes == ()
    assert best.explanation.startswith("scored again from git (epoch 2, seed 0")
    assert idea.ok and idea.explanation.startswith("scored again from git (epoch 1, seed 0")


async def test_public_data_that_changed_is_no_forgery(kept: Path) -> None:
    (kept / "data.json").write_text("0.5")
    with opened(kept) as lab:
        found = await verify_idea(lab, "best")
    assert (found.ok, found.outcome) == (False, "environment")
    assert found.recorded is not None and found.found is not None and found.recorded != found.found
    assert found.changes == ("data file changed: data.json",)
    assert "this machine is not as the epoch was locked" in found.explanation


async def test_a_candidate_that_is_not_deterministic(kept: Path) -> None:
    with opened(kept) as lab:
        record = lab.ledger.state().ideas[1]
        told = record.model_copy(update={"value": 6.0, "metrics": {**record.metrics, "value": 7.0}})
        lab.ledger.state().ideas._log.items[0] = told  # type: ignore[attr-defined]
        found = await verify_idea(lab, "1")
    assert (found.ok, found.outcome, found.recorded) == (False, "different", 7.0)
    assert "recorded 7.0, found" in found.explanation
    assert "its value 6.0 is a mean over seeds, of which this is the first" in found.explanation
    assert "not deterministic under" in found.explanation


async def test_the_baseline_is_the_champion_too(kept: Path) -> None:
    with opened(kept) as lab:
        commits = lab.repository.first_parent_ids(lab.ledger.head() or "")
        git(kept, "update-ref", lab.ledger.ref, commits[-2])
    with opened(kept) as lab:
        found = await verify_idea(lab, "best")
    assert (found.number, found.ok, found.recorded) == (0, True, 12.5)


async def test_a_metric_that_the_host_measures_is_shown_and_all_else_compared(
    make_lab: Callable[..., Path], home: Path
) -> None:
    folder = make_lab(replace={'metric  = "value"': 'metric  = "usage.wall_seconds"'})
    await lock(folder)
    async with open_campaign(Lab.open(folder), Plan({"iterations": 1})) as campaign:
        [record] = [record async for record in iterate(campaign)]
    with opened(folder) as lab:
        found = await verify_idea(lab, "1")
        recorded = record.metrics["usage.wall_seconds"]
        assert (found.ok, found.outcome, found.recorded) == (True, "measured", recorded)
        first, second, *_ = found.explanation.splitlines()
        assert first.startswith("usage.wall_seconds is measured anew each time and not compared: recorded ")
        assert f"recorded {recorded!r}, now {found.found!r} (epoch 1, seed 0" in first
        assert second == "all that the host does not measure agrees, to the last bit"
        # A record that tells another value of what is not measured.
        forged = record.model_copy(update={"metrics": {**record.metrics, "value": -1.0}})
        lab.ledger.state().ideas._log.items[0] = forged  # type: ignore[attr-defined]
        found = await verify_idea(lab, "1")
    assert (found.ok, found.outcome) == (False, "different")
    assert set(found.metrics) == {"value"}
    assert "further metrics differ: value -1.0 -> " in found.explanation
