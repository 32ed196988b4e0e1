"""What is locked of tiers, what is hidden at each, and what a tier without a baseline leaves behind."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.check import run_checks
from lab_plugin.errors import LockError
from lab_plugin.lab import Lab
from lab_plugin.lock_in_force import require_lock
from tests.campaign.conftest import iterate, lock
from tests.comparison.toy import SCORER, Toy, idea
from tests.conftest import git
from tests.tiers.labs import opened

DECISION = 'policy = "exact"\nconfirm = 0'
TIERS = """
[tiers.rough]
seeds   = [1, 2]
promote = { threshold = -100 }

[tiers.rough.scorer]
files   = ["rough/**"]
command = ["python", "-I", "-S", "rough/score.py"]

[tiers.final]
seeds = 1

[tiers.final.scorer.holdout]
files   = ["sealed/**"]
command = ["python", "-I", "-S", "scorer/score.py"]
"""
SEES = """
import os
with open({seen!r}, "a") as log:
    files = sorted(os.path.join(at, name) for at, _, names in os.walk(".") for name in names)
    log.write(json.dumps([{who!r}, os.environ["LAB_TIER"], files]) + "\\n")
"""


def with_eyes(toy: Toy) -> Path:
    """Candidate and scorers tell which files lie before them."""
    seen = toy.world / "seen"
    eyes = {who: SEES.format(seen=str(seen), who=who) for who in ("candidate", "scorer")}
    (toy.folder / "candidate.py").write_text(toy.candidate + eyes["candidate"])
    for folder in ("rough", "scorer"):
        (toy.folder / folder).mkdir(exist_ok=True)
        (toy.folder / folder / "score.py").write_text(SCORER + eyes["scorer"])
    (toy.folder / "sealed").mkdir()
    (toy.folder / "sealed" / "rows.csv").write_text("secret\n")
    git(toy.folder, "add", "-A")
    git(toy.folder, "commit", "-q", "-m", "Eyes")
    return seen


async def test_no_tier_shows_the_scorer_of_another_or_the_holdout(make_toy: Callable[..., Toy]) -> None:
    toy = make_toy(decision=DECISION, tiers=TIERS)
    seen = with_eyes(toy)
    toy.plan(idea("a", 5.0))
    await lock(toy.folder)
    async with open_campaign(Lab.open(toy.folder), Plan({"iterations": 1})) as campaign:
        assert [record.verdict async for record in iterate(campaign)] == ["kept"]
    told = [json.loads(line) for line in seen.read_text().splitlines()]
    for who, tier, files in told:
        folders = {name.split("/")[1] for name in files if name.count("/") > 1}
        if who == "candidate":
            assert not folders & {"rough", "scorer", "sealed"} and "./lab.lock" not in files, (tier, files)
        elif tier != "holdout":
            assert "sealed" not in folders, (tier, files)
    assert {(who, tier) for who, tier, _ in told} == {
        ("candidate", "rough"),
        ("candidate", "final"),
        ("scorer", "rough"),
        ("scorer", "final"),
        ("scorer", "holdout"),
    }
    # Each change of a tier is named, and ends the epoch.
    text = (toy.folder / "lab.toml").read_text()
    for old, new, named in [
        ("threshold = -100", "threshold = 1", "rule changed: tiers.rough.promote.bar: -100.0 -> 1.0"),
        ("seeds   = [1, 2]", "seeds   = [1, 3]", "rule changed: tiers.rough.seeds: [1, 2] -> [1, 3]"),
        ('"rough/score.py"]', '"rough/score.py", "x"]', "rule changed: tiers.rough.scorer.command"),
        ('"rough/**"', '"rough/**", "more/**"', "rule changed: tiers.rough.scorer.files"),
        ("[tiers.rough.scorer]", "[tiers.rough.candidate]\ntimeout = 3\n[tiers.rough.scorer]", "timeout"),
        (
            "[tiers.rough",
            "[tiers.coarse",
            "tier added: coarse\n  tier removed: rough\n  rule changed: tiers.order",
        ),
    ]:
        assert old in text
        (toy.folder / "lab.toml").write_text(text.replace(old, new))
        with opened(toy.folder) as lab, pytest.raises(LockError) as raised:
            require_lock(lab)
        assert named in str(raised.value), named
        assert "lab lock --reason" in raised.value.remedy
    (toy.folder / "lab.toml").write_text(text)
    (toy.folder / "rough" / "score.py").write_text(SCORER)
    with opened(toy.folder) as lab, pytest.raises(LockError, match=r"scorer file changed: rough/score\.py"):
        require_lock(lab)


async def test_a_tier_at_which_the_baseline_crashes_is_named(make_toy: Callable[..., Toy]) -> None:
    toy = make_toy(decision=DECISION, tiers=TIERS.replace("[1, 2]", "[1, 7]"), trait="crash=7")
    with_eyes(toy)
    checked = {found.what: found for found in await run_checks(toy.folder)}
    before = git(toy.folder, "for-each-ref"), git(toy.folder, "status", "--porcelain")
    assert not checked["tier rough"].ok
    assert "LAB_SEED=7" in checked["tier rough"].detail and "[tiers.rough]" in checked["tier rough"].remedy
    with pytest.raises(LockError, match="no score at the tier rough with LAB_SEED=7") as raised:
        await lock(toy.folder)
    assert "Nothing was locked" in raised.value.remedy
    after = git(toy.folder, "for-each-ref"), git(toy.folder, "status", "--porcelain")
    assert after == before and not (toy.folder / "lab.lock").exists()
    with opened(toy.folder) as lab:
        assert lab.ledger.head() is None
