"""`[proposer] files`: what a proposer's program may see and edit, finer than by `candidate.paths`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lab_plugin.errors import SandboxError
from tests.campaign.conftest import Runner, lock
from tests.campaign.test_misbehaviour import editing_lab
from tests.conftest import git

HONEST = (
    "import pathlib\npath = pathlib.Path('candidate.py')\npath.write_text(path.read_text() + '# tried\\n')\n"
)
PROGRAMS = {
    "reads what is hidden": ("assert 'answer' not in open('secret.txt').read()\n" + HONEST, True),
    "writes what is hidden": ("open('secret.txt', 'w')", False),
    "sees what is not hidden": ("assert 'public' in open('notes.txt').read()\n" + HONEST, True),
    "edits what is read-only": ("open('candidate.py', 'a')", False),
}


def ruled(make_lab: Callable[..., Path], program: str, files: str) -> Path:
    folder = editing_lab(make_lab, program)
    (folder / "secret.txt").write_text("the answer")
    (folder / "notes.txt").write_text("public")
    text = (folder / "lab.toml").read_text()
    (folder / "lab.toml").write_text(f"{text}\n[proposer]\nfiles = {{ {files} }}\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Rules")
    return folder


@pytest.mark.parametrize("name", PROGRAMS)
async def test_rules_reach_the_program(
    name: str, make_lab: Callable[..., Path], run: Runner, home: Path
) -> None:
    program, passes = PROGRAMS[name]
    files = '"secret.txt" = "hidden"' + ("" if passes else ', "candidate.py" = "ro"')
    folder = ruled(make_lab, program, files)
    await lock(folder)
    (record,) = await run(folder, 1)
    if passes:
        assert record.value is not None, record.reason
    else:
        assert record.verdict == "crashed", record.reason
        assert any(word in record.reason for word in ("Read-only", "denied")), record.reason


async def test_a_rule_for_nothing_says_so(make_lab: Callable[..., Path], run: Runner, home: Path) -> None:
    folder = ruled(make_lab, HONEST, '"missing.txt" = "hidden"')
    await lock(folder)
    with pytest.raises(SandboxError, match=r"missing\.txt"):
        await run(folder, 1)
