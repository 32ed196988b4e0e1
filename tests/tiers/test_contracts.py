"""A tier of tests in one sandbox, before one of files in another, whose metric goes the other way."""

import sys
from collections.abc import Callable
from pathlib import Path

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.lab import Lab
from lab_plugin.verification import verify_idea, verify_ledger
from tests.campaign.conftest import iterate, lock
from tests.comparison.toy import Toy, idea
from tests.conftest import git
from tests.tiers.labs import opened

PROXY = """
[tiers.proxy]
seeds   = 1
promote = {{ threshold = 0.5 }}

[tiers.proxy.candidate]
serve = "answers"

[tiers.proxy.scorer]
contract = "tests"
files    = ["checks/**"]
tests    = ["checks/test_answers.py"]
metric   = "pass_rate"
goal     = "maximize"
timeout  = "60s"

[tiers.proxy.sandbox]
kind   = "process"
python = "{python}"

[tiers.final]
seeds = 1

[tiers.final.sandbox]
kind   = "bubblewrap"
python = "{python}"
"""
ANSWERS = """
import json, pathlib

def give(question):
    return json.loads(pathlib.Path("point.json").read_text())["gain"] < question
"""
CHECKS = """
from lab_candidate import call

def test_small():
    assert call("give", 5.0) is True

def test_large():
    assert call("give", 9.0) is True
"""
CANDIDATE = """
import json, os, pathlib
point = json.loads(pathlib.Path("point.json").read_text())
(pathlib.Path(os.environ["LAB_OUTPUTS"]) / "card.json").write_text(json.dumps({"value": point["gain"]}))
"""


def mixed(toy: Toy) -> None:
    (toy.folder / "candidate.py").write_text(CANDIDATE)
    (toy.folder / "answers.py").write_text(ANSWERS)
    (toy.folder / "checks").mkdir()
    (toy.folder / "checks" / "test_answers.py").write_text(CHECKS)
    git(toy.folder, "add", "-A")
    git(toy.folder, "commit", "-q", "-m", "Another contract")


async def test_tests_before_files(make_toy: Callable[..., Toy], environments: Path, home: Path) -> None:
    tiers = PROXY.format(python=sys.executable)
    toy = make_toy(decision='policy = "exact"\nconfirm = 0', goal="minimize", tiers=tiers)
    mixed(toy)
    toy.plan(idea("bad", 20.0), idea("half", 7.0), idea("good", -3.0))
    await lock(toy.folder)
    async with open_campaign(Lab.open(toy.folder), Plan({"iterations": 3})) as campaign:
        records = [record async for record in iterate(campaign)]
    told = [
        (record.verdict, record.tier, record.value, dict(record.tiers), record.sandbox) for record in records
    ]
    assert told == [
        ("reverted", "proxy", None, {"proxy": 0.0}, "process"),
        ("reverted", "final", 7.0, {"proxy": 0.5}, "bubblewrap"),
        ("kept", "final", -3.0, {"proxy": 1.0}, "bubblewrap"),
    ]
    with opened(toy.folder) as lab:
        assert verify_ledger(lab) == []
        lock_record = lab.ledger.state().lock
        assert lock_record is not None
        assert (lock_record.tests, len(lock_record.tests_of["proxy"])) == ((), 2)
        for number in (1, 3):
            again = await verify_idea(lab, str(number))
            assert again.ok, again.explanation
