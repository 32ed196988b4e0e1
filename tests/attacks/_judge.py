"""Whether an attack was held, and whether the answer to it is the right one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tests.attacks._attack import CONTRACTS, TESTS, Attack
from tests.attacks._play import Outcome
from tests.attacks.corpus import CORPUS

# Tests take three times as long as the others.
_COSTS = {TESTS: 3}
_REVERTED = {"honest": "reverted", "less": "reverted", "more": "reverted"}


def is_open(attack: Attack, sandbox: str) -> bool:
    """Whether the sandbox says of itself that it may lose this one."""
    return sandbox == "process" and attack.process == "open"


def fault_of(outcome: Outcome) -> str:
    """What is wrong with an outcome; "" when the attack was held, with a right answer and its reason.

    Where the sandbox may lose, only a better score is wrong.
    """
    attack, record = outcome.attack, outcome.record
    told = f"{outcome.contract}, {outcome.sandbox}, {attack.name if attack else 'honest idea'}: "
    told += f"{outcome.answer} ({record.reason[:500]})"
    if attack is not None and is_open(attack, outcome.sandbox):
        return told if outcome.answer == "more" or record.verdict == "kept" else ""
    if outcome.breaches or record.verdict == "kept":
        return f"{told}: {', '.join(outcome.breaches) or 'kept'}"
    if attack is None:
        return "" if outcome.answer == "honest" else told
    if outcome.answer not in attack.answers(outcome.contract):
        return told
    if record.value is None and not re.search(attack.reason or "$^", record.reason):
        return f"{told}: the reason does not say {attack.reason!r}"
    if attack.slowness and record.metrics["usage.wall_seconds"] < attack.slowness:
        return f"{told}: measured {record.metrics['usage.wall_seconds']} s"
    return ""


def cell(outcome: Outcome) -> str:
    """What the table says of an outcome."""
    attack = outcome.attack
    if attack is not None and is_open(attack, outcome.sandbox) and outcome.breaches:
        return "open"
    if outcome.breaches or fault_of(outcome):
        return "BROKEN"
    return f"held: {_REVERTED.get(outcome.answer, outcome.answer)}"


def playable(contract: str, sandbox: str, attacks: Sequence[Attack] = CORPUS) -> list[Attack]:
    """The attacks that can be tried under a contract, and that a sandbox can be trusted with."""
    refused = ("harmful", "stops") if sandbox == "process" else ()
    return [attack for attack in attacks if contract in attack.contracts and attack.process not in refused]


def of_each_family(attacks: Sequence[Attack], count: int = 1) -> list[Attack]:
    """The first attacks of each family."""
    taken: dict[str, list[Attack]] = {}
    for attack in attacks:
        taken.setdefault(attack.family, []).append(attack)
    return [attack for family in taken.values() for attack in family[:count]]


def shared_out(sandbox: str, attacks: Sequence[Attack] = CORPUS) -> dict[str, list[Attack]]:
    """Contract -> attacks, so that each is tried once, and each contract with several."""
    shares: dict[str, list[Attack]] = {contract: [] for contract in CONTRACTS}
    for attack in attacks:
        possible = [contract for contract in CONTRACTS if playable(contract, sandbox, [attack])]
        if possible:
            shares[min(possible, key=lambda name: len(shares[name]) * _COSTS.get(name, 1))].append(attack)
    return shares


def spread(sandbox: str) -> dict[str, list[Attack]]:
    """Contract -> attacks, so that each is tried once, and each family under each contract."""
    shares = shared_out(sandbox)
    for contract, share in shares.items():
        tried = {attack.family for attack in share}
        firsts = of_each_family(playable(contract, sandbox))
        share += [attack for attack in firsts if attack.family not in tried]
    return shares
