"""Scorers that go wrong, through a whole campaign: no value, a reason, and the next idea scores."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from lab_plugin.campaign import Plan, open_campaign
from lab_plugin.errors import LabError, LockError
from lab_plugin.lab import Lab
from lab_plugin.ledger import VerdictRecord
from lab_plugin.locking import lock_lab
from lab_plugin.verification import verify_idea, verify_ledger
from tests.attacks._attack import BREACH, HONEST, OUTPUTS
from tests.attacks._play import texts
from tests.attacks._victim import HONEST_SCORE, make_victim
from tests.campaign.conftest import iterate, lock
from tests.conftest import git

# The scorer does this where the candidate's note asks for it, so that the lock itself scores.
TROUBLE = {
    "silent": ("sys.exit(0)", "rejected", "scorecard: missing"),
    "crash": ("raise KeyError('a row')", "crashed", "scorer exit status 1\n.*KeyError: 'a row'"),
    "slow": ("import time; time.sleep(60)", "crashed", "scorer did not end within 20 s"),
    "memory": (
        "block = b'x' * (2 << 30)",
        "crashed",
        "scorer (used more memory|exit status 1\n.*MemoryError)",
    ),
    "nothing": ("Path(os.environ['LAB_SCORECARD']).write_text(''); sys.exit(0)", "rejected", "not JSON"),
    "a name with a newline": (
        'card(\'{"accuracy": 0.6, "speed\\\\nverdict: kept": 1}\')',
        "rejected",
        "metric name .* not printable",
    ),
    "NaN": ("card('{\"accuracy\": NaN}')", "rejected", "NaN, which is no finite number"),
    "infinity": ("card('{\"accuracy\": 1e999}')", "rejected", "not finite|no finite number"),
    "twice": ('card(\'{"accuracy": 0.6, "accuracy": 1.0}\')', "rejected", "duplicate key"),
    "a boolean": ("card('{\"accuracy\": true}')", "rejected", "bool.*not a number"),
    "the host's metric": (
        'card(\'{"accuracy": 0.6, "usage.cpu_seconds": 0}\')',
        "rejected",
        "measured by the host",
    ),
    "other metric": (
        "card('{\"speed\": 1}')",
        "rejected",
        "'accuracy' is missing",
    ),
}


CARD = """
def card(metrics):
    Path(os.environ["LAB_SCORECARD"]).write_text('{"metrics": ' + metrics + '}')
    sys.exit(0)
"""


def asking(note: str) -> dict[str, str]:
    """A candidate that is honest but for its note."""
    text = f"""
import json
dump = json.dump
json.dump = lambda value, file, **rest: dump({{"note": {note!r}}}, file, **rest)
"""
    return {"model.py": BREACH + text + HONEST}


def spoilt(folder: Path, ideas: list[tuple[dict[str, str], str]], before: str) -> None:
    """A victim whose scorer does something before it writes."""
    make_victim(folder, OUTPUTS, "bubblewrap", ideas)
    score = folder / "scorer" / "score.py"
    text = score.read_text().replace(
        "write(struct", f"import sys\nnote = report['note']\n{before}\nwrite(struct"
    )
    score.write_text(text)
    settings = (folder / "lab.toml").read_text()
    (folder / "lab.toml").write_text(settings.replace('timeout  = "60s"', 'timeout  = "20s"'))
    git(folder, "commit", "-qam", "A scorer with trouble")


async def run(folder: Path, count: int) -> list[VerdictRecord]:
    await lock(folder)
    async with open_campaign(Lab.open(folder), Plan({"iterations": count})) as campaign:
        return [record async for record in iterate(campaign)]


async def test_a_scorer_that_fails_on_some_candidates_only(victim: Path, home: Path) -> None:
    ideas = [(asking(name), "") for name in TROUBLE]
    branches = "\n".join(f"if note == {name!r}:\n    {act}" for name, (act, _, _) in TROUBLE.items())
    spoilt(victim, [*ideas, texts(None, len(ideas) + 1, {})], CARD + branches)
    *records, honest = await run(victim, len(ideas) + 1)
    for record, (name, (_, verdict, reason)) in zip(records, TROUBLE.items(), strict=True):
        assert (record.verdict, record.value, record.metrics) == (verdict, None, {}), (name, record.reason)
        assert re.search(reason, record.reason, re.DOTALL), (name, record.reason)
    assert (honest.verdict, honest.value) == ("reverted", HONEST_SCORE)
    lab = Lab.open(victim)
    assert verify_ledger(lab) == []
    lab.close()


async def test_a_scorer_that_is_not_deterministic_is_found_by_verify(victim: Path, home: Path) -> None:
    dice = "import random\nsum = lambda values: random.SystemRandom().random()"
    spoilt(victim, [texts(None, 1, {})], dice)
    (record,) = await run(victim, 1)
    lab = Lab.open(victim)
    found = await verify_idea(lab, "1")
    lab.close()
    # A comparison may have scored it on more seeds; verify repeats the run of the epoch's own.
    assert (found.equal, found.outcome, found.recorded) == (False, "different", record.metrics["accuracy"])
    assert "candidate or scorer are not deterministic" in found.explanation


async def test_a_lock_of_another_version_runs_nothing(victim: Path, home: Path) -> None:
    make_victim(victim, OUTPUTS, "bubblewrap", [texts(None, 1, {})])
    await lock(victim)
    document = json.loads((victim / "lab.lock").read_text())
    document["version"] = 999
    (victim / "lab.lock").write_text(json.dumps(document))
    with pytest.raises(LabError, match="999") as told:
        async with open_campaign(Lab.open(victim), Plan({"iterations": 1})):
            pass
    assert isinstance(told.value, LockError)
    assert told.value.remedy


async def test_a_holdout_that_overlaps_public_data_is_told(victim: Path, home: Path) -> None:
    make_victim(victim, OUTPUTS, "bubblewrap", [])
    (victim / "sealed").mkdir()
    shutil.copy(victim / "data" / "rows.json", victim / "sealed" / "again.json")
    with (victim / "lab.toml").open("a") as settings:
        settings.write('\n[scorer.holdout]\nfiles = ["sealed/**"]\n')
    git(victim, "add", "-A")
    git(victim, "commit", "-qm", "Seal what everybody has")
    lab = Lab.open(victim)
    sandbox = lab.sandbox()
    done = await lock_lab(lab, sandbox)
    await sandbox.close()
    lab.close()
    told = "hold-out: sealed/again.json has the content of data/rows.json, which candidates see"
    assert told in done.warnings
