"""Outputs under schemas, what the host measures, and what is told of a scoring: through whole campaigns."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab_plugin.details import read_details
from lab_plugin.diagnosis import diagnose
from lab_plugin.errors import SandboxError
from lab_plugin.lab import Lab
from lab_plugin.locking import lock_lab
from lab_plugin.sandbox import Execution, Job
from lab_plugin.verification import verify_ledger
from tests.campaign.conftest import Runner, git, lock
from tests.campaign.test_misbehaviour import EDITING, GOOD, OUT, PROPOSE

POINT = {
    "type": "object",
    "properties": {"x": {"type": "number"}, "y": {"type": "number"}},
    "required": ["x", "y"],
    "additionalProperties": False,
}
SCORE = """
import json, os, sys
from pathlib import Path
text = (Path(os.environ["LAB_OUTPUTS"]) / "point.json").read_text()
print("what the scorer saw:", text, "label of y is 7", file=sys.stderr)
point = json.loads(text)
assert os.listdir(os.environ["LAB_OUTPUTS"]) == ["point.json"]
metrics = {"value": point["x"] ** 2 + point["y"] ** 2}
if point["x"] == 13:
    metrics["usage.cpu_seconds"] = 0.0
samples = [{"id": name, "score": number ** 2, "note": f"it is {number}"} for name, number in point.items()]
card = {"metrics": metrics, "samples": samples, "feedback": text}
Path(os.environ["LAB_SCORECARD"]).write_text(json.dumps(card))
"""


def writes(text: str) -> str:
    return f"{OUT}out.write_text({text!r})"


# Burns two seconds of CPU in a child that nobody waits for, and says that it burnt none.
BURNS = (
    OUT
    + """
import signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
read, write = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while time.process_time() < 1.0:
            pass
        os.write(write, b"x")
        os._exit(0)
    os._exit(0)
os.read(read, 1)
time.sleep(0.05)
for name in ("usage.json", "scorecard.json"):
    (out.parent / name).write_text(json.dumps({"cpu_seconds": 0, "metrics": {"usage.cpu_seconds": 0}}))
out.write_text('{ "y": 2, "x": 1 }')
"""
)
SLEEPS = "import time; time.sleep(1.0)\n" + writes('{"x": 1, "y": 3}')
MEMORY = "block = bytearray(100 << 20)\n" + writes('{"x": 1, "y": 4}')
TELLS = "import sys; print('e' * 200, '\\x1b[31mthe end', file=sys.stderr)\n" + writes('{"x": 3, "y": 1}')

BROKEN = {
    "a key twice": (writes('{"x": 1, "x": 2, "y": 1}'), "point.json: holds a key twice"),
    "NaN": (writes('{"x": NaN, "y": 1}'), "point.json: holds NaN"),
    "too large": (writes('{"x": 1, "y": 1}' + " " * 1000), "more than 1,000"),
    "another type": (writes('{"x": "1", "y": 1}'), "breaks 'type' of its schema at '$.x'"),
    "no JSON": (writes("hello"), "point.json: is no JSON"),
}


@pytest.fixture
def scored_lab(make_lab: Callable[..., Path]) -> Callable[..., Path]:
    """A lab whose proposer edits the candidate, and whose scorer writes samples."""

    def make(texts: list[str], replace: dict[str, str] | None = None, propose: str = PROPOSE) -> Path:
        editing = {key: value for key, value in EDITING.items() if not key.startswith("timeout")}
        folder = make_lab(replace={**editing, **(replace or {})})
        (folder / "propose.py").write_text(propose)
        (folder / "texts.json").write_text(json.dumps(texts))
        (folder / "scorer" / "score.py").write_text(SCORE)
        (folder / "scorer" / "schema.json").write_text(json.dumps(POINT))
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", "Samples")
        return folder

    return make


SCHEMAS = {
    'memory  = "256MiB"\n\n[scorer]': 'memory = "256MiB"\n[candidate.schemas]\n"point.json" = '
    '{ type = "json", schema = "scorer/schema.json", max = "1KB" }\n\n[scorer]'
}


async def test_outputs_usage_and_samples(scored_lab: Callable[..., Path], run: Runner, home: Path) -> None:
    texts = [BURNS, SLEEPS, MEMORY, writes('{"x": 13, "y": 1}')] + [text for text, _ in BROKEN.values()]
    folder = scored_lab(texts, SCHEMAS)
    await lock(folder)
    burns, sleeps, memory, forged, *broken = await run(folder, len(texts))
    lab = Lab.open(folder)
    _check_broken(broken)
    assert (forged.verdict, forged.value) == ("rejected", None)
    assert "measured by the host" in forged.reason
    assert [record.value for record in (burns, sleeps, memory)] == [5, 10, 17]
    for record in (burns, sleeps, memory):
        assert record.metrics["usage.wall_seconds"] > 0
    assert sleeps.metrics["usage.wall_seconds"] >= 1.0
    if "memory_total" in burns.guarantees:
        assert burns.metrics["usage.cpu_seconds"] >= 1.0
        assert sleeps.metrics["usage.cpu_seconds"] < 1.0
        assert memory.metrics["usage.peak_bytes"] >= 100 << 20 > sleeps.metrics["usage.peak_bytes"]
    else:
        assert not {"usage.cpu_seconds", "usage.peak_bytes"} & set(burns.metrics)
    # The scorer saw one canonical text and nothing else.
    assert read_details(lab.repository, burns.details).feedback == '{"x":1,"y":2}'
    found = diagnose(lab, str(memory.number), str(burns.number))
    assert [(row.id, row.score, row.difference) for row in found.rows] == [("y", 16, 12), ("x", 1, 0)]
    assert found.rows[0].note == "it is 4"
    assert diagnose(lab, "baseline").rows
    assert verify_ledger(lab) == []
    lab.close()


def _check_broken(records: list[Any]) -> None:
    for record, (name, (_, words)) in zip(records, BROKEN.items(), strict=True):
        assert (record.verdict, record.value, record.metrics) == ("rejected", None, {}), name
        assert words in record.reason, (name, record.reason)


TELL = PROPOSE + "print(pathlib.Path(os.environ['LAB_HISTORY']).read_text())\n"
PUBLIC = {
    'memory  = "256MiB"\n\n[scorer]': 'memory = "256MiB"\n\n[feedback]\nsamples = "public"\npublic = ["x"]\n'
    "stderr_bytes = 20\n\n[scorer]"
}


async def test_a_proposer_reads_what_the_rule_allows_also_after_a_restart(
    scored_lab: Callable[..., Path], run: Runner, home: Path
) -> None:
    crash = "import sys; sys.exit('no luck')"
    folder = scored_lab([TELLS, crash, writes('{"x": "a", "y": 1}'), GOOD, GOOD + " "], PUBLIC, TELL)
    await lock(folder)
    await run(folder, 4)
    before = _history(folder, home, 4)
    await run(folder, 1)
    after = _history(folder, home, 5)
    assert after[:3] == before
    first, second, third = before
    assert (first["value"], first["samples"]) == (10, [{"id": "x", "score": 9, "note": "it is 3"}])
    assert first["stderr"] == "eeeeeeeeeeee the end"
    assert (second["reason"], second["stderr"]) == ("candidate exit status 1", "no luck")
    # The scorer fell over this one, and what it printed is not told.
    assert third["reason"] == "scorer exit status 1"
    assert "label" not in json.dumps(after)


def _history(folder: Path, home: Path, number: int) -> list[Any]:
    lab = Lab.open(folder)
    log = lab.folder / "proposals" / f"{number:04d}" / "stdout.log"
    return [json.loads(line) for line in log.read_text().splitlines() if line]


async def test_a_metric_that_cannot_be_measured_is_refused_at_the_lock(
    scored_lab: Callable[..., Path], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = scored_lab([], {'metric  = "value"': 'metric = "usage.peak_bytes"'})
    lab = Lab.open(folder)
    sandbox = lab.sandbox()
    run = sandbox.run

    async def without_groups(job: Job) -> Execution:
        return dataclasses.replace(await run(job), guarantees=())

    monkeypatch.setattr(sandbox, "run", without_groups)
    try:
        with pytest.raises(SandboxError, match="cannot measure usage.peak_bytes"):
            await lock_lab(lab, sandbox)
        monkeypatch.undo()
        assert lab.ledger.head() is None
    finally:
        await sandbox.close()
        lab.close()
