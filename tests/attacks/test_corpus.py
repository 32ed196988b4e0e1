"""Every class of attack, through lab.toml, lock, campaign and ledger."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab_plugin.errors import LockError
from tests.attacks._attack import CONTRACTS, OUTPUTS, Attack
from tests.attacks._judge import fault_of, is_open, of_each_family, shared_out, spread
from tests.attacks._play import Played, play
from tests.attacks.corpus import CORPUS
from tests.sandbox import docker_engine

# Read early: the environment of the tests is cleaned before each of them.
DOCKER = os.environ.get("LAB_TEST_DOCKER") == "1"
FIRST = of_each_family(CORPUS)


def faults_of(played: Played) -> list[str]:
    return [fault for outcome in played.outcomes if (fault := fault_of(outcome))] + list(played.faults)


def test_the_corpus_is_one() -> None:
    assert len({attack.name for attack in CORPUS}) == len(CORPUS)
    for contract in CONTRACTS:
        assert len(of_each_family(spread("bubblewrap")[contract])) >= 16
    assert {attack.name for share in spread("bubblewrap").values() for attack in share} == {
        attack.name for attack in CORPUS
    }
    assert {attack.process for attack in CORPUS} == {"held", "open", "stops", "harmful"}


@pytest.mark.parametrize("contract", CONTRACTS)
async def test_nothing_breaks_bubblewrap(contract: str, victim: Path, home: Path) -> None:
    # `python -m tests.attacks` plays all of them under each contract, in each sandbox.
    attacks = spread("bubblewrap")[contract]
    played = await play(victim, contract, "bubblewrap", attacks)
    assert faults_of(played) == []
    assert len(played.outcomes) > len(attacks)


@pytest.mark.parametrize("contract", CONTRACTS)
async def test_no_score_is_forged_without_a_sandbox(contract: str, victim: Path, home: Path) -> None:
    played = await play(victim, contract, "process", shared_out("process", FIRST)[contract])
    assert faults_of(played) == []


@pytest.mark.skipif(not DOCKER, reason="minutes with containers: LAB_TEST_DOCKER=1 plays them")
@pytest.mark.parametrize("contract", CONTRACTS)
async def test_nothing_breaks_docker(contract: str, victim: Path, home: Path, engine: str) -> None:
    attacks = shared_out("docker", FIRST)[contract]
    played = await play(victim, contract, "docker", attacks, image=docker_engine.IMAGE)
    assert faults_of(played) == []


STOPS = [attack for attack in CORPUS if attack.process == "stops"]


@pytest.mark.parametrize("attack", STOPS, ids=lambda attack: attack.name)
async def test_what_changes_the_locked_stops_a_campaign_without_a_sandbox(
    attack: Attack, victim: Path, home: Path
) -> None:
    with pytest.raises(LockError, match="not what was locked"):
        await play(victim, OUTPUTS, "process", [attack])


def test_the_sandbox_process_is_the_only_one_that_may_lose() -> None:
    assert not any(is_open(attack, kind) for attack in CORPUS for kind in ("bubblewrap", "docker"))
