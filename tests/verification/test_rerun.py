"""`lab verify IDEA --rerun`: the same commit, the same scorer, and what is different about this machine."""

from pathlib import Path

from lab_plugin.config import parse
from lab_plugin.scorer import Score
from lab_plugin.verification import _rerun, verify_idea
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
        told = record.model_copy(update={"value": 7.0})
        lab.ledger.state().ideas._log.items[0] = told  # type: ignore[attr-defined]
        found = await verify_idea(lab, "1")
    assert (found.ok, found.outcome, found.recorded) == (False, "different", 7.0)
    assert "recorded 7.0, found" in found.explanation
    assert "not deterministic under" in found.explanation


async def test_the_baseline_is_the_champion_too(kept: Path) -> None:
    with opened(kept) as lab:
        commits = lab.repository.first_parent_ids(lab.ledger.head() or "")
        git(kept, "update-ref", lab.ledger.ref, commits[-2])
    with opened(kept) as lab:
        found = await verify_idea(lab, "best")
    assert (found.number, found.ok, found.recorded) == (0, True, 12.5)


def test_a_measured_metric_is_shown_and_not_compared(kept: Path) -> None:
    with opened(kept) as lab:
        epoch = _rerun.load_epoch(lab, lab.ledger.state().lock)  # type: ignore[arg-type]
        text = (kept / "lab.toml").read_text().replace('metric  = "value"', 'metric  = "usage.wall_seconds"')
        timed = _rerun.Epoch(parse(text, str(kept / "lab.toml")), epoch.lock, epoch.snapshot)
        lock = lab.ledger.state().lock
        assert lock is not None
        metrics = {"usage.wall_seconds": 1.0, "value": 2.0}
        subject = _rerun._Subject(7, "t", 1.0, metrics, lock, "bubblewrap", "kept")
        score = Score(
            status="scored", value=1.5, metrics={"usage.wall_seconds": 1.5, "value": 3.0}, sandbox="docker"
        )
        found = _rerun._compare(subject, score, timed, ())
    assert (found.ok, found.outcome, found.equal) == (True, "measured", False)
    assert "measured anew each time and not compared: recorded 1.0, now 1.5" in found.explanation
    assert "(then bubblewrap)" in found.explanation
    assert dict(found.metrics) == {"value": (2.0, 3.0)}
