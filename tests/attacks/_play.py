"""One campaign in which every idea is an attack, with honest ideas between them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab_plugin.campaign import Campaign, Plan, open_campaign
from lab_plugin.feedback import Feedback
from lab_plugin.lab import Lab
from lab_plugin.ledger import VerdictRecord
from lab_plugin.locking import lock_lab
from lab_plugin.verification import verify_ledger
from tests.attacks._attack import HONEST, Attack
from tests.attacks._victim import HONEST_SCORE, make_victim
from tests.attacks._witness import Witness

_BETWEEN = 10
_LOG_BYTES = 4 << 20


@dataclass(frozen=True)
class Outcome:
    """What came of one attack, or of an honest idea.

    Attributes:
        attack: None for an honest idea.
        contract: Of the lab.
        sandbox: Of the lab.
        record: From the ledger.
        breaches: Everything that the attack achieved; empty when it was held.
    """

    attack: Attack | None
    contract: str
    sandbox: str
    record: VerdictRecord
    breaches: tuple[str, ...]

    @property
    def answer(self) -> str:
        """`honest`, `less`, `more`, `rejected` or `crashed`."""
        value = self.record.value
        if value is None:
            return self.record.verdict
        return "honest" if value == HONEST_SCORE else "less" if value < HONEST_SCORE else "more"


@dataclass(frozen=True)
class Played:
    """A whole campaign.

    Attributes:
        outcomes: In order; honest ideas are among them, the first and the last one too.
        faults: What the ledger's verification found; what the user's repository lost.
    """

    outcomes: tuple[Outcome, ...]
    faults: tuple[str, ...]


def with_controls(attacks: Sequence[Attack]) -> list[Attack | None]:
    """Attacks with an honest idea before, after, and between them."""
    steps: list[Attack | None] = [None]
    for start in range(0, len(attacks), _BETWEEN):
        steps += [*attacks[start : start + _BETWEEN], None]
    return steps


def texts(attack: Attack | None, number: int, words: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """The files and the editing program of one idea."""
    if attack is None:
        return {"model.py": f"# honest idea {number}\n{HONEST}"}, ""

    def filled(text: str) -> str:
        for word, meaning in words.items():
            text = text.replace(word, meaning)
        return text

    files = {name: filled(text) for name, text in attack.files.items()}
    if "model.py" in files:
        files["model.py"] = f"# idea {number}\n{files['model.py']}"
    return files, filled(attack.edit)


async def play(
    folder: Path, contract: str, sandbox: str, attacks: Sequence[Attack], *, image: str = ""
) -> Played:
    """Play attacks through configuration, lock, campaign and ledger.

    Args:
        folder: Empty; becomes the victim's repository.
        contract: Of the scorer.
        sandbox: Its kind.
        attacks: To play, in this order.
        image: Of the sandbox `docker`.
    """
    steps = with_controls(attacks)
    with Witness() as witness:
        ideas = [texts(step, number, witness.words(number)) for number, step in enumerate(steps, 1)]
        make_victim(folder, contract, sandbox, ideas, image=image)
        before = _listing(folder)
        await _lock(folder)
        outcomes: dict[int, Outcome] = {}
        async with open_campaign(Lab.open(folder), Plan({"iterations": len(steps)})) as campaign:

            async def slot() -> None:
                while (number := campaign.next_number()) is not None:
                    record, logs = await _iterate(campaign, number)
                    outcomes[number] = Outcome(
                        steps[number - 1],
                        contract,
                        sandbox,
                        record,
                        tuple(_breaches(campaign.lab, record, logs, witness)),
                    )

            # What is done to the host is laid to the attack that is judged: there one at a time.
            await asyncio.gather(*(slot() for _ in range(1 if sandbox == "process" else 2)))
    faults = [f"{path} changed" for path in before.items() ^ _listing(folder).items()]
    lab = Lab.open(folder)
    try:
        faults += map(str, verify_ledger(lab))
    finally:
        lab.close()
    return Played(tuple(outcomes[number] for number in sorted(outcomes)), tuple(faults))


async def _lock(folder: Path) -> None:
    lab = Lab.open(folder)
    sandbox = lab.sandbox()
    try:
        await lock_lab(lab, sandbox)
    finally:
        await sandbox.close()
        lab.close()


async def _iterate(campaign: Campaign, number: int) -> tuple[VerdictRecord, str]:
    idea = await campaign.propose(number)
    runs = await campaign.execute(idea)
    scores = await campaign.evaluate(idea, runs)
    logs = ""
    for run in runs:
        if run.execution is not None:
            for path in (run.execution.stdout, run.execution.stderr):
                with contextlib.suppress(OSError), path.open("rb") as stream:
                    logs += stream.read(_LOG_BYTES).decode(errors="replace")
    return await campaign.decide(idea, runs, scores), logs


def _breaches(lab: Lab, record: VerdictRecord, logs: str, witness: Witness) -> list[str]:
    found = witness.found(record.number)
    told = "\n".join(
        f"{record.reason}\n{outcome.reason}\n{outcome.feedback}\n{outcome.stderr}"
        for outcome in Feedback(lab).of(record)
    )
    if "BREACH" in logs + told:
        found.append("said that it won")
    if record.value is not None and record.value > HONEST_SCORE:
        found.append(f"scored {record.value:g}")
    if any(not character.isprintable() and character != "\n" for character in told):
        found.append("put control characters into what is shown")
    return found + witness.known(told)


def _listing(folder: Path) -> dict[str, bytes]:
    """The user's own files."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".git" not in path.parts and path.name != "lab.lock"
    }
