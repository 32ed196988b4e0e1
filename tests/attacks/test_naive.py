"""The attacks are real: a harness that believes what it is told loses to them."""

from __future__ import annotations

from tests.attacks._judge import of_each_family
from tests.attacks._naive import play_naive
from tests.attacks.corpus import CORPUS


async def test_a_naive_harness_loses_in_every_class() -> None:
    attacks = of_each_family([attack for attack in CORPUS if attack.naive])
    lost = {name: won for name, won in (await play_naive(attacks)).items() if won}
    assert sorted(lost) == sorted(attack.name for attack in attacks)
