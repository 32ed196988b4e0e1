"""What an attack is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

OUTPUTS, SERVED, TESTS, IN_PROCESS = CONTRACTS = ("outputs", "served", "tests", "in_process")
CHANNEL = (SERVED, TESTS)

HONEST = """
def predict(row):
    return (row[0] + row[1]) % 10
"""

# For an attack that knows that it has won: nobody else prints this word.
BREACH = """
import os, sys
def breach(what):
    sys.stderr.write(f"BREACH {what}\\n")
    sys.stderr.flush()
    os._exit(9)
"""


@dataclass(frozen=True, kw_only=True)
class Attack:
    """One attempt at a score that is not deserved, a secret, the next trial, or the harness.

    An attack has won when its score is better than the honest one, when the word BREACH reaches a reason or a
    log, when the control after it does not score the honest score, or when the witness finds something that
    it left, changed or reached on the host.

    Attributes:
        name: Unique.
        family: One of the classes of what a scorer meets.
        files: Path below `candidate/` -> what it becomes. `@WORD@` is replaced, see `Witness.words`.
        edit: A program that edits further, after `files`, in `candidate/` of the proposer's sandbox.
        contracts: Where it can be tried.
        right: Contract, or "*" -> the right answers: `honest` (exactly the honest score), `less` (a lower
            one), `rejected`, `crashed`; more than one with `|`.
        reason: Regular expression, found in the reason of what has no score.
        slowness: Seconds that the host must have measured, for an attack on the clock.
        process: What comes of it in the sandbox `process`: it is `held` there too; it is `open`, since that
            sandbox says of itself that it contains no hostile program; it `stops` the campaign, because it
            changes what was locked; or it is `harmful` to the machine, and not run.
        naive: How the naive harness meets it: it imports the module, uses `numpy`, reads its `files`, runs
            `tests`, takes the change with `git`, and so on; "" for what has no counterpart there.
    """

    name: str
    family: str
    files: Mapping[str, str] = field(default_factory=dict)
    edit: str = ""
    contracts: tuple[str, ...] = CONTRACTS
    right: Mapping[str, str] = field(default_factory=lambda: {"*": "honest"})
    reason: str = ""
    slowness: float = 0.0
    process: str = "held"
    naive: str = "import"

    def answers(self, contract: str) -> tuple[str, ...]:
        """The right answers under a contract."""
        return tuple(self.right.get(contract, self.right.get("*", "honest")).split("|"))


def model(before: str = "", after: str = HONEST) -> dict[str, str]:
    """The candidate's module: something, and then what it answers."""
    return {"model.py": BREACH + before + after}
