"""The hold-out through a campaign: who is looked at, what turns a keep, and who learns of it."""

import json
from pathlib import Path

import pytest

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.errors import LockError
from lab_plugin.lab import Lab
from lab_plugin.ledger import VerdictRecord
from lab_plugin.locking import Locking, lock_lab, probe_holdout
from lab_plugin.verification import verify_ledger
from tests.conftest import git
from tests.holdout.conftest import SCORE, TABLE, SealedLab, decide_all

# With y = 1 the public value falls from x = 0 (101) to x = 1 (0); the sealed one is x * x + 1.
WORSE = (0.2, 0.4, 0.6, 0.8)


async def lock(folder: Path, reason: str = "") -> Locking:
    lab = Lab.open(folder)
    sandbox = lab.sandbox()
    try:
        return await lock_lab(lab, sandbox, reason)
    finally:
        await sandbox.close()
        lab.close()


async def run(folder: Path, iterations: int = 50) -> list[VerdictRecord]:
    async with open_campaign(Lab.open(folder), Plan({"iterations": iterations})) as campaign:
        return [record async for record in decide_all(campaign)]


async def test_a_keep_that_is_worse_on_the_holdout_is_reverted_without_a_number(
    sealed_lab: SealedLab, home: Path
) -> None:
    folder = sealed_lab(xs=WORSE)
    done = await lock(folder)
    assert done.record.holdout is not None
    assert done.record.holdout.value == 1.0
    assert done.record.holdout.gap == pytest.approx(done.record.value - 1.0)
    records = await run(folder)
    assert [record.verdict for record in records] == ["reverted"] * 4
    for record in records:
        assert record.holdout is not None and record.value is not None
        assert record.holdout.outcome == "worse" and record.holdout.counted
        assert record.holdout.gap == pytest.approx(record.value - (record.params["x"] ** 2 + 1))
        assert record.reason.endswith("not kept: hold-out guard")
    lab = Lab.open(folder)
    assert lab.ledger.state().looks == 4
    assert verify_ledger(lab) == []
    lab.close()


@pytest.mark.parametrize("setting", ['require = "nothing"', "margin = 3.0", "files = ['sealed/**']"])
async def test_a_keep_that_passes_carries_its_gap(sealed_lab: SealedLab, home: Path, setting: str) -> None:
    better = setting.startswith("files")
    table = TABLE if better else f"{TABLE}{setting}\n"
    # The sealed minimum lies at x = 1 too, so that what is better in public is better sealed.
    folder = sealed_lab(table, xs=WORSE, center=(1.0, 1.0) if better else (0.0, 0.0))
    await lock(folder)
    records = await run(folder)
    kept = [record for record in records if record.verdict == "kept"]
    assert kept and kept[0].number == 1
    for record in records:
        assert (record.holdout is not None) == (record.verdict == "kept")
    assert all(record.holdout and record.holdout.value is not None for record in kept)
    lab = Lab.open(folder)
    champion = lab.ledger.state().champion
    assert champion is not None and kept[-1].holdout is not None
    assert champion.holdout == kept[-1].holdout.value
    lab.close()


async def test_looks_are_counted_over_restarts_and_capped(sealed_lab: SealedLab, home: Path) -> None:
    folder = sealed_lab(TABLE + "looks = 2\n", xs=WORSE)
    await lock(folder)
    records = [*await run(folder, 1), *await run(folder, 1), *await run(folder, 1)]
    outcomes = [record.holdout.outcome for record in records if record.holdout]
    assert outcomes == ["worse", "worse", "unlooked"]
    assert records[2].verdict == "reverted"
    assert records[2].reason.endswith("not kept: hold-out guard, looks spent")
    # A new epoch has looks of its own.
    (folder / "sealed" / "center.json").write_text("[0.0, 0.5]\n")
    done = await lock(folder, "another centre")
    assert done.changes == ("hold-out file changed: sealed/center.json",)
    last = await run(folder, 1)
    assert last[0].holdout is not None and last[0].holdout.outcome == "worse"


async def test_what_is_kept_unlooked_says_so(sealed_lab: SealedLab, home: Path) -> None:
    table = TABLE + 'looks = 1\nlooks_spent = "keep_unlooked"\nrequire = "nothing"\n'
    folder = sealed_lab(table, xs=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6))
    await lock(folder)
    records = await run(folder)
    kept = [record.holdout for record in records if record.verdict == "kept"]
    assert len(kept) > 1
    assert [found.outcome for found in kept if found] == ["worse", *["unlooked"] * (len(kept) - 1)]
    lab = Lab.open(folder)
    champion = lab.ledger.state().champion
    assert champion is not None and champion.holdout is None
    lab.close()


async def test_the_holdout_never_reaches_the_candidate_or_the_public_scorer(
    sealed_lab: SealedLab, home: Path
) -> None:
    folder = sealed_lab('\n[scorer.holdout]\nfiles = ["scorer/sealed/**", "sealed/**"]\n', xs=(0.5,))
    (folder / "scorer" / "sealed").mkdir()
    (folder / "scorer" / "sealed" / "labels.csv").write_text("1,0\n")
    look = (
        "import os, pathlib\n"
        "found = [p for p in pathlib.Path('.').rglob('*') if 'sealed' in str(p) or p.name == 'lab.lock']\n"
        "tier = os.environ['LAB_TIER']\n"
        "assert bool(found) == (tier == 'holdout'), (tier, found)\n"
    )
    scorer = folder / "scorer" / "score.py"
    scorer.write_text(look + scorer.read_text())
    spy = (
        "import os, pathlib\n"
        "assert os.environ['LAB_TIER'] == 'final'\n"
        "assert not [p for p in pathlib.Path('.').rglob('*') if 'sealed' in str(p) or p.name == 'lab.lock']\n"
    )
    (folder / "candidate.py").write_text(spy + (folder / "candidate.py").read_text())
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Spy")
    done = await lock(folder)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Lock")
    assert done.record.holdout is not None and done.record.holdout.gap == 0.0
    records = await run(folder)
    assert [record.verdict for record in records] == ["kept"]


async def test_data_of_its_own_takes_a_second_run_of_the_candidate(sealed_lab: SealedLab, home: Path) -> None:
    table = '\n[scorer.holdout]\nfiles = ["sealed/**"]\ndata = "later.txt"\n'
    folder = sealed_lab(table, xs=(0.5,))
    (folder / "now.txt").write_text("1.0\n")
    (folder / "later.txt").write_text("10.0\n")
    text = (folder / "lab.toml").read_text()
    (folder / "lab.toml").write_text(text.replace("[candidate]\n", '[candidate]\ndata = "now.txt"\n'))
    (folder / "candidate.py").write_text(
        "import json, os\nfrom pathlib import Path\n"
        "point = json.loads(Path('point.json').read_text())\n"
        "shift = float(Path(os.environ['LAB_DATA']).read_text())\n"
        "out = Path(os.environ['LAB_OUTPUTS'], 'point.json')\n"
        "out.write_text(json.dumps({'x': point['x'], 'y': shift}))\n"
    )
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Data")
    done = await lock(folder)
    assert done.record.holdout is not None
    # Rosenbrock's function at (0, 1) and at (0, 10).
    assert (done.record.value, done.record.holdout.value) == (101.0, 10_001.0)
    records = await run(folder)
    assert records[0].holdout is not None
    assert records[0].holdout.value == pytest.approx(0.25 + 100 * (10 - 0.25) ** 2)


async def test_a_holdout_that_cannot_be_scored_is_not_locked(sealed_lab: SealedLab, home: Path) -> None:
    folder = sealed_lab(score="raise SystemExit('no answers here')\n")
    with pytest.raises(LockError, match=r"no score on the hold-out: .*(\n.*)*no answers here"):
        await lock(folder)
    assert not (folder / "lab.lock").exists()


@pytest.mark.parametrize(("require", "verdict"), [("not_worse", "reverted"), ("nothing", "kept")])
async def test_a_sealed_scoring_that_fails_for_one_idea_only(
    sealed_lab: SealedLab, home: Path, require: str, verdict: str
) -> None:
    score = SCORE + 'if point["x"]:\n    raise SystemExit("SEALED-STDERR")\n'
    folder = sealed_lab(f'{TABLE}require = "{require}"\n', score=score)
    await lock(folder)
    (record,) = await run(folder)
    assert record.verdict == verdict
    assert record.holdout is not None
    assert (record.holdout.outcome, record.holdout.value) == ("no_value", None)
    assert "SEALED-STDERR" in record.holdout.reason
    assert "SEALED" not in record.reason


async def test_nothing_sealed_is_told_or_left(sealed_lab: SealedLab, home: Path) -> None:
    folder = sealed_lab(xs=WORSE)
    await lock(folder)
    told = []
    async with open_campaign(Lab.open(folder), Plan({"iterations": 2})) as campaign:
        original = campaign._ideas._proposer.tell

        def tell(outcome: object) -> None:
            told.append(repr(outcome))
            original(outcome)  # type: ignore[arg-type]

        campaign._ideas._proposer.tell = tell  # type: ignore[method-assign]
        records = [record async for record in decide_all(campaign)]
    sealed = [record.holdout.value for record in records if record.holdout]
    assert len(sealed) == len(told) == 2
    for text in told:
        assert "SEALED" not in text
        assert not any(f"{value}" in text for value in sealed)
    lab = Lab.open(folder)
    left = [path for path in lab.folder.rglob("*") if path.is_file() and "snapshots" not in path.parts]
    assert not [path for path in left if b"SEALED" in path.read_bytes()]
    lab.close()


async def test_an_overlap_with_public_data_is_told(sealed_lab: SealedLab, home: Path) -> None:
    folder = sealed_lab(xs=(0.5,))
    (folder / "train.csv").write_text("id,text\n17,a sentence of some length\n18,another sentence of it\n")
    (folder / "sealed" / "rows.csv").write_text("id,text\n99,nothing in common here\n17,other words\n")
    (folder / "sealed" / "lines.txt").write_text("18,another sentence of it\n")
    (folder / "sealed" / "copy.txt").write_text((folder / "candidate.py").read_text())
    text = (folder / "lab.toml").read_text()
    (folder / "lab.toml").write_text(text.replace("[candidate]\n", '[candidate]\ndata = "train.csv"\n'))
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Data")
    done = await lock(folder)
    assert sorted(done.warnings) == [
        "hold-out: 1 of 1 lines of sealed/lines.txt stand in train.csv too",
        "hold-out: 1 of 2 values of the column 'id' of sealed/rows.csv stand in train.csv too",
        "hold-out: sealed/copy.txt has the content of candidate.py, which candidates see",
    ]


async def test_the_probe_of_lab_check_scores_it_without_a_record(sealed_lab: SealedLab, home: Path) -> None:
    lab = Lab.open(sealed_lab())
    sandbox = lab.sandbox()
    found = await probe_holdout(lab, sandbox, lab.repository.head())
    assert found is not None and found.value == 1.0
    assert lab.ledger.head() is None
    await sandbox.close()
    lab.close()


async def test_a_lab_without_a_holdout_keeps_its_digest(sealed_lab: SealedLab, home: Path) -> None:
    folder = sealed_lab(table="", xs=(0.5,))
    done = await lock(folder)
    assert done.record.holdout is None
    rules = json.loads((folder / "lab.lock").read_text())["terms"]["rules"]
    assert "holdout" not in rules["scorer"]
    lab = Lab.open(folder)
    lock_file = json.loads((folder / "lab.lock").read_text())
    terms = lab.terms()
    without = terms.model_dump(exclude={"holdout", "holdout_data"})
    assert lock_file["digest"] == terms.digest()
    assert set(without) == {"files", "data", "rules", "environment"}
    lab.close()
