"""The hold-out in `lab verify IDEA --rerun`: whether it agrees, and never a number of it."""

from pathlib import Path

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.holdout import Looks
from lab_plugin.lab import Lab
from lab_plugin.ledger import VerdictRecord
from lab_plugin.verification import Rerun, verify_idea, verify_ledger
from tests.campaign.conftest import lock
from tests.conftest import git
from tests.holdout.conftest import TABLE, SealedLab, decide_all, sealed_lab
from tests.verification.test_ledger import opened

__all__ = ["sealed_lab"]

# With y = 1 and the minimum at (1, 1) in both, what is better in public is better sealed.
CENTER = (1.0, 1.0)
# The candidate runs again with data of the hold-out: it shifts y.
SHIFTS = """
import json, os
from pathlib import Path
point = json.loads(Path("point.json").read_text())
shift = float(Path(os.environ["LAB_DATA"]).read_text())
point["y"] += shift
Path(os.environ["LAB_OUTPUTS"], "point.json").write_text(json.dumps(point))
"""


async def run(folder: Path) -> list[VerdictRecord]:
    async with open_campaign(Lab.open(folder), Plan({"iterations": 9})) as campaign:
        return [record async for record in decide_all(campaign)]


async def again(folder: Path, idea: str = "1") -> Rerun:
    with opened(folder) as lab:
        before = (Looks(lab).spent(), lab.ledger.head(), lab.repository.refs("refs/"))
        found = await verify_idea(lab, idea)
        assert (Looks(lab).spent(), lab.ledger.head(), lab.repository.refs("refs/")) == before
        left = [path for path in lab.folder.rglob("*") if path.is_file() and "snapshots" not in path.parts]
        assert not [path for path in left if b"SEALED" in path.read_bytes()]
        return found


def forge(lab: Lab, holdout: object) -> None:
    """Have the ledger say something else of the hold-out of idea 1."""
    records = lab.ledger.state().ideas._log.items  # type: ignore[attr-defined]
    records[0] = records[0].model_copy(update={"holdout": holdout})


async def test_a_kept_idea_here_and_in_a_clone_that_has_nothing_of_the_holdout(
    sealed_lab: SealedLab, home: Path, tmp_path: Path
) -> None:
    folder = sealed_lab(f'{TABLE}looks = 1\ndata = "later.txt"\n', xs=(0.5,), center=CENTER)
    (folder / "now.txt").write_text("0.0\n")
    (folder / "later.txt").write_text("0.25\n")
    text = (folder / "lab.toml").read_text()
    (folder / "lab.toml").write_text(text.replace("[candidate]\n", '[candidate]\ndata = "now.txt"\n'))
    (folder / "candidate.py").write_text(SHIFTS)
    # The sealed files are in the ledger, and need not be in the branch that everybody sees.
    git(folder, "rm", "-rq", "--cached", "sealed")
    (folder / ".gitignore").write_text("sealed\nlater.txt\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Seal better")
    await lock(folder)
    [record] = await run(folder)
    assert record.verdict == "kept" and record.holdout is not None
    for idea in ("1", "best"):
        found = await again(folder, idea)
        assert found.ok and found.holdout is not None and found.holdout.outcome == "equal"
        assert "hold-out: scored again, as recorded" in found.explanation
        assert repr(record.holdout.value) not in found.explanation

    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(folder), str(clone))
    specs = ("refs/lab/rosenbrock/ledger:refs/lab/rosenbrock/ledger", "refs/heads/lab/*:refs/heads/lab/*")
    git(clone, "fetch", "-q", "origin", *specs)
    with opened(clone) as lab:
        assert verify_ledger(lab) == []
    found = await again(clone)
    assert (found.ok, found.outcome) == (True, "equal")
    assert found.holdout is not None and found.holdout.outcome == "not_scored"
    assert "its data later.txt is not on this machine" in found.explanation
    (clone / "later.txt").write_text("0.75\n")
    found = await again(clone)
    assert (found.ok, found.equal, found.outcome) == (False, True, "environment")
    assert found.changes == ("hold-out data file changed: later.txt",)
    (clone / "later.txt").write_text("0.25\n")
    found = await again(clone)
    assert found.ok and found.changes == () and found.holdout is not None
    assert found.holdout.outcome == "equal" and not (clone / "sealed").exists()

    with opened(folder) as lab:
        forge(lab, record.holdout.model_copy(update={"value": 0.0625}))
        found = await verify_idea(lab, "1")
        assert (found.ok, found.equal, found.outcome) == (False, True, "different")
        assert "hold-out: scored again, it is not as recorded" in found.explanation
        assert "0.0625" not in found.explanation and repr(record.holdout.value) not in found.explanation
        forge(lab, record.holdout.model_copy(update={"outcome": "unlooked", "value": None}))
        found = await verify_idea(lab, "1")
    assert found.ok and found.holdout is not None and found.holdout.outcome == "not_scored"
    assert "all looks were spent" in found.explanation
