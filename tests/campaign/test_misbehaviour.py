"""Every way in which a candidate or a proposer goes wrong ends in a verdict with a reason and no value."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lab_plugin.lab import Lab
from lab_plugin.sandbox import BubblewrapSandbox, Execution, Job
from lab_plugin.verification import verify_ledger
from tests.campaign.conftest import Runner, git, lock

OUT = "import json, os, pathlib; out = pathlib.Path(os.environ['LAB_OUTPUTS']) / 'point.json'; "
GOOD = OUT + "out.write_text(json.dumps({'x': 0.5, 'y': 0.5}))"

# What the candidate becomes, the verdict, and a word of its reason.
CANDIDATES = {
    "crash": ("raise SystemExit('boom')", "crashed", "boom"),
    "signal": ("import os; os.kill(os.getpid(), 9)", "crashed", "signal"),
    "nothing written": ("pass", "rejected", "missing"),
    "a symbolic link": (OUT + "out.symlink_to('/etc/passwd')", "rejected", "link"),
    "a folder": (OUT + "out.mkdir()", "rejected", "folder|directory"),
    "a pipe": (OUT + "os.mkfifo(out)", "rejected", "FIFO|pipe"),
    "too large": (OUT + "out.touch(); os.truncate(out, 100 << 20)", "rejected|crashed", "MiB|large"),
    "disk full": (OUT + "out.write_bytes(bytes(40 << 20))", "crashed", "."),
    "no JSON": (OUT + "out.write_text('hello')", "crashed", "JSON"),
    "a string": (OUT + "out.write_text(json.dumps({'x': '1', 'y': 1}))", "crashed", "numbers"),
    "a boolean": (OUT + "out.write_text(json.dumps({'x': True, 'y': 1}))", "crashed", "numbers"),
    "NaN": (OUT + 'out.write_text(\'{"x": NaN, "y": 1}\')', "rejected", "NaN"),
    "infinite": (OUT + 'out.write_text(\'{"x": 1e200, "y": 1}\')', "rejected|crashed", "."),
    "memory": ("x = bytearray(1 << 30)", "crashed", "memory|MemoryError"),
    "network": ("import socket; socket.create_connection(('127.0.0.1', 4200), 1)", "crashed", "."),
    "the scorer": ("print(open('scorer/score.py').read())", "crashed", "FileNotFoundError"),
    "writes its workspace": ("open('candidate.py', 'a').write('#')", "crashed", "Read-only|denied"),
}
HONEST = {
    "flood": "print('x' * 1000, flush=True)\nfor _ in range(20_000): print('x' * 1000)\n" + GOOD,
    "daemon": "import os, time\nif os.fork() == 0:\n os.setsid()\n time.sleep(60)\n os._exit(0)\n" + GOOD,
}

PROPOSE = """
import json, os, pathlib
texts = json.loads(pathlib.Path("texts.json").read_text())
pathlib.Path("candidate.py").write_text(texts[int(os.environ["LAB_IDEA"]) - 1])
"""
EDITING = {
    'paths   = ["point.json"]': 'paths   = ["candidate.py"]\ndisk = "30MiB"',
    'timeout = "10s"\nmemory  = "256MiB"\n\n[scorer]': 'timeout = "60s"\nmemory  = "256MiB"\n\n[scorer]',
    'name = "tpe"': 'name = "command"\ncommand = ["python", "propose.py"]',
    "[search_space]\n": "[budget]\ncrashes = 100\n#",
    'file = "point.json"\n': "\n",
    'x = { type = "float", low = -2.0, high = 2.0 }\n': "",
    'y = { type = "float", low = -1.0, high = 3.0 }\n': "",
    "[budget]\niterations = 100\n": "",
}


def editing_lab(make_lab: Callable[..., Path], program: str, texts: list[str] | None = None) -> Path:
    folder = make_lab(replace=EDITING)
    (folder / "propose.py").write_text(program)
    (folder / "texts.json").write_text(json.dumps(texts or []))
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "A proposer")
    return folder


async def test_no_misbehaviour_has_a_value(make_lab: Callable[..., Path], run: Runner, home: Path) -> None:
    texts = [text for text, _, _ in CANDIDATES.values()] + list(HONEST.values())
    folder = editing_lab(make_lab, PROPOSE, texts)
    await lock(folder)
    records = await run(folder, len(texts))
    for record, (name, (_, verdict, word)) in zip(records, CANDIDATES.items(), strict=False):
        assert record.value is None, name
        assert record.verdict in verdict.split("|"), (name, record.reason)
        assert any(part in record.reason for part in word.split("|")) or word == ".", (name, record.reason)
        assert record.metrics == {}, name
    for record, name in zip(records[len(CANDIDATES) :], HONEST, strict=True):
        assert record.value == pytest.approx(6.5), (name, record.reason)
    lab = Lab.open(folder)
    assert verify_ledger(lab) == []
    lab.close()


HANG = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"


async def test_a_candidate_that_hangs_is_ended(
    make_lab: Callable[..., Path], run: Runner, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = editing_lab(make_lab, PROPOSE, [HANG])
    await lock(folder)
    honest = BubblewrapSandbox.run

    async def soon(sandbox: BubblewrapSandbox, job: Job) -> Execution:
        # Only of what goes on for ever: all else has the time that it takes here.
        if job.role == "candidate":
            job = replace(job, limits=replace(job.limits, wall_seconds=2.0))
        return await honest(sandbox, job)

    monkeypatch.setattr(BubblewrapSandbox, "run", soon)
    (record,) = await run(folder, 1)
    assert (record.verdict, record.value, record.metrics) == ("crashed", None, {})
    assert "2 s" in record.reason


PROPOSERS = {
    "nothing": ("pass", "rejected", "changes nothing"),
    "fails": ("raise SystemExit('no idea')", "crashed", "no idea"),
    "outside": ("open('lab.toml', 'a').write('#')", "crashed", "Read-only|denied"),
    "new file outside": ("open('scorer/new.py', 'w').write('#')", "crashed", "Read-only|denied|No such"),
    "new file beside": ("open('new.py', 'w').write('#')", "rejected", "'new.py' is outside"),
}


@pytest.mark.parametrize("name", PROPOSERS)
async def test_proposers_that_break_the_rules(
    name: str, make_lab: Callable[..., Path], run: Runner, home: Path
) -> None:
    program, verdict, word = PROPOSERS[name]
    folder = editing_lab(make_lab, program)
    await lock(folder)
    (record,) = await run(folder, 1)
    assert (record.verdict, record.value) == (verdict, None)
    assert any(part in record.reason for part in word.split("|"))


async def test_an_editor_that_replaces_the_file_is_understood(
    make_lab: Callable[..., Path], run: Runner, home: Path
) -> None:
    program = (
        "import os, pathlib\n"
        f"pathlib.Path('candidate.py.tmp').write_text({GOOD!r})\n"
        "os.replace('candidate.py.tmp', 'candidate.py')\n"
    )
    folder = editing_lab(make_lab, program)
    await lock(folder)
    (record,) = await run(folder, 1)
    assert (record.verdict, record.value) == ("kept", pytest.approx(6.5)), record.reason
    changed = git(folder, "diff", "--name-only", f"{record.commit}^", record.commit)
    assert changed.split() == ["candidate.py"]


async def test_an_edit_outside_is_refused_where_the_sandbox_cannot(
    make_lab: Callable[..., Path], run: Runner, home: Path
) -> None:
    folder = editing_lab(make_lab, "open('lab.toml', 'a').write('#')")
    text = (folder / "lab.toml").read_text() + '\n[sandbox]\nkind = "process"\n'
    (folder / "lab.toml").write_text(text)
    git(folder, "commit", "-qam", "Without a sandbox")
    await lock(folder)
    (record,) = await run(folder, 1)
    assert record.verdict == "rejected"
    assert "lab.toml" in record.reason


async def test_a_duplicate_is_answered_from_the_ledger(
    make_lab: Callable[..., Path], run: Runner, home: Path
) -> None:
    folder = editing_lab(make_lab, PROPOSE, [GOOD, GOOD, "raise SystemExit(3)", "raise SystemExit(3)"])
    await lock(folder)
    first, second, third, fourth = await run(folder, 4)
    assert first.verdict == "kept"
    # The champion's own tree: an edit that changes nothing.
    assert (second.verdict, second.value) == ("rejected", None)
    assert third.verdict == fourth.verdict == "crashed"
    assert fourth.duplicate_of == 3
    assert fourth.seconds == 0
    assert fourth.value is None
