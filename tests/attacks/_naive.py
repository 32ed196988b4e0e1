"""The naive harness, played in a throwaway sandbox, for contrast."""

from __future__ import annotations

import asyncio
import json
import math
import shutil
import struct
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab_plugin.sandbox import Execution, Job, Limits, Sandbox, open_sandbox
from tests.attacks._attack import Attack
from tests.attacks._victim import HONEST_SCORE, ROWS, task
from tests.attacks._victim_programs import CANDIDATE

_PROGRAM = Path(__file__).with_name("naive_program.py")
_LIMITS = Limits(wall_seconds=20, memory_bytes=700 << 20, disk_bytes=256 << 20, processes=64, cpus=2)
_SLOTS = 3
_FLOOD = 20 << 20


async def play_naive(attacks: Sequence[Attack]) -> dict[str, str]:
    """Name -> what the attack achieved against the naive harness; "" when nothing.

    The honest candidate is played first, and has to score its honest score.
    """
    sandbox = open_sandbox("bubblewrap")
    slots = asyncio.Semaphore(_SLOTS)

    async def one(attack: Attack) -> str:
        async with slots:
            return await _play(sandbox, attack)

    try:
        for how in ("import", "numpy", "card", "files", "tests", "git"):
            won = await _play(sandbox, Attack(name=f"honest, {how}", family="", naive=how))
            assert won == "", (how, won)
        results = await asyncio.gather(*(one(attack) for attack in attacks))
    finally:
        await sandbox.close()
    return {attack.name: won for attack, won in zip(attacks, results, strict=True)}


async def _play(sandbox: Sandbox, attack: Attack) -> str:
    folder = Path(tempfile.mkdtemp(prefix="naive-"))
    folder.chmod(0o755)
    try:
        workspace, destination = folder / "workspace", folder / "destination"
        workspace.mkdir(mode=0o755)
        destination.mkdir()
        rows, labels = task()
        # It is sure of its first row.
        labels[0] = sum(rows[0]) % 10
        wrong = [number for number in range(1, ROWS) if labels[number] != sum(rows[number]) % 10]
        if len(wrong) < ROWS - round(ROWS * HONEST_SCORE):
            number = next(number for number in range(1, ROWS) if number not in wrong)
            labels[number] = (labels[number] + 1) % 10
        head = f"{{'descr': '<i8', 'fortran_order': False, 'shape': ({ROWS},), }}".ljust(117) + "\n"
        array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode()
        described = {
            "how": attack.naive,
            "files": dict(attack.files),
            "edit": attack.edit,
            "honest": CANDIDATE,
            "rows": rows,
            "labels": labels,
            "labels_npy": (array + struct.pack(f"<{ROWS}q", *labels)).hex(),
        }
        (workspace / "task.json").write_text(json.dumps(described))
        shutil.copy(_PROGRAM, workspace)
        job = Job(
            name="naive",
            role="candidate",
            command=("python", _PROGRAM.name),
            workspace=workspace,
            destination=destination,
            # Who hangs is given up; the honest one may take as long as this machine does.
            limits=_LIMITS if attack.family else replace(_LIMITS, wall_seconds=300),
            outputs=("result.json",),
            output_variables={"LAB_OUTPUTS": "."},
            environment={"API_TOKEN": "CANARY-naive"},
        )
        return _won(attack, await sandbox.run(job))
    finally:
        shutil.rmtree(folder)


def _won(attack: Attack, execution: Execution) -> str:
    if execution.status == "timeout":
        return "hangs it"
    if execution.status == "memory":
        return "takes all the memory that there is"
    if "result.json" not in execution.outputs:
        assert attack.family, execution.stderr.read_text()
        return f"ends it: {execution.reason}"
    text = execution.outputs["result.json"].read_text()
    if not text:
        return "leaves no space to write a result"
    result = json.loads(text)
    first, after = result["attack"], result["after"]
    if result["breach"]:
        return "runs, reads or reaches what it should not"
    if result["flood"] > _FLOOD:
        return "fills its memory"
    if attack.naive == "words" and result["escape"]:
        return "drives its terminal"
    if _is_better(first.get("accuracy")):
        return f"scores {first['accuracy']}"
    if attack.slowness and first.get("seconds", math.inf) < attack.slowness:
        return "costs no time"
    if result["left"]:
        return "leaves something behind"
    if after.get("accuracy") != HONEST_SCORE:
        return "spoils the next trial"
    return ""


def _is_better(value: Any) -> bool:
    """As naive harnesses compare: anything that is not at most the best is better."""
    return value is not None and not value <= HONEST_SCORE
