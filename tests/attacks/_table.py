"""The table, in markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from tests.attacks._attack import CONTRACTS, Attack

Cells = dict[str, str]
_SHORT = {"bubblewrap": "b", "docker": "d", "process": "p"}


def markdown(
    corpus: Sequence[Attack], naive: Mapping[str, str], columns: Mapping[tuple[str, str], Cells]
) -> str:
    """The totals, and a row for each attack.

    Args:
        corpus: All attacks.
        naive: Name -> what it achieved against the naive harness.
        columns: Contract and sandbox -> attack -> what became of it; honest ideas under "".
    """
    sandboxes = list(dict.fromkeys(sandbox for _, sandbox in columns))
    lines = [*_totals(corpus, naive, columns, sandboxes), ""]
    lines += [f"| class | attack | naive harness | {' | '.join(f'`{name}`' for name in CONTRACTS)} |"]
    lines += ["|---|---|---|" + "---|" * len(CONTRACTS)]
    honest = [
        _merged([(sandbox, columns[contract, sandbox][""]) for sandbox in sandboxes])
        for contract in CONTRACTS
    ]
    lines.append(f"| | *honest ideas before, between and after* | | {' | '.join(honest)} |")
    families = list(dict.fromkeys(attack.family for attack in corpus))
    for attack in sorted(corpus, key=lambda attack: families.index(attack.family)):
        cells = [
            _merged([(sandbox, columns[contract, sandbox].get(attack.name, "")) for sandbox in sandboxes])
            for contract in CONTRACTS
        ]
        lost = naive.get(attack.name)
        first = "" if lost is None else lost or "held"
        lines.append(f"| {attack.family} | {attack.name} | {first} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _totals(
    corpus: Sequence[Attack],
    naive: Mapping[str, str],
    columns: Mapping[tuple[str, str], Cells],
    sandboxes: Sequence[str],
) -> list[str]:
    lines = [
        "| | attacks | held | broken | open | campaign stopped | not run |",
        "|---|---|---|---|---|---|---|",
    ]
    lost = sum(bool(won) for won in naive.values())
    lines.append(f"| naive harness | {len(naive)} | {len(naive) - lost} | **{lost}** | | | |")
    for sandbox in sandboxes:
        for contract in CONTRACTS:
            cells = [cell for name, cell in columns[contract, sandbox].items() if name]
            count = Counter(cell.partition(":")[0] for cell in cells)
            row = [count["held"], f"**{count['BROKEN']}**", count["open"], count["stopped"], count["not run"]]
            lines.append(f"| `{contract}`, `{sandbox}` | {len(cells)} | {' | '.join(map(str, row))} |")
    return lines


def _merged(cells: Sequence[tuple[str, str]]) -> str:
    """One text where all sandboxes say the same, else each with its letter."""
    texts = {text for _, text in cells}
    if len(texts) == 1:
        return texts.pop()
    parts: dict[str, str] = {}
    for sandbox, text in cells:
        parts[text] = parts.get(text, "") + _SHORT[sandbox]
    return "; ".join(f"{', '.join(letters)} {text}" for text, letters in parts.items())
