"""What a lab demands of its sandbox, and the attempts to break what a sandbox claims."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lab_plugin.check import run_checks
from lab_plugin.errors import ConfigError, SandboxError
from lab_plugin.lab import Lab
from lab_plugin.sandbox import (
    GUARANTEES,
    BubblewrapSandbox,
    Execution,
    Job,
    ProcessSandbox,
    Sandbox,
    attempt_breaches,
)
from tests.campaign.conftest import lock


@pytest.fixture
def home(shared_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state folder whose API is up already: `lab check` asks for it."""
    monkeypatch.setenv("PREFECT_LAB_HOME", str(shared_home))
    return shared_home


class Boaster(ProcessSandbox):
    """A plain process that claims to hold everything."""

    def __init__(self) -> None:
        super().__init__()
        self.guarantees = frozenset(GUARANTEES)


async def test_what_is_claimed_withstands(launched: Sandbox) -> None:
    attempts = await attempt_breaches(launched)
    assert {attempt.guarantee for attempt in attempts} == launched.guarantees
    assert [attempt for attempt in attempts if not attempt.held] == []


async def test_a_claim_without_ground_is_broken() -> None:
    boaster = Boaster()
    try:
        attempts = await attempt_breaches(boaster)
    finally:
        await boaster.close()
    broken = {attempt.guarantee for attempt in attempts if not attempt.held}
    assert broken >= {"pid_namespace", "network_none", "read_only_root", "user_split"}
    # The attempt on the root was made for real, and is cleared away here.
    for path in ("/usr/lab-breach", "/etc/lab-breach", "/lab-breach"):
        Path(path).unlink(missing_ok=True)


async def test_a_lab_that_demands_more_than_there_is(home: Path, make_lab: Callable[..., Path]) -> None:
    table = '[sandbox]\nkind = "process"\nrequire = ["network_none", "pid_namespace"]\n\n[budget]'
    folder = make_lab(replace={"[budget]": table})
    with pytest.raises(SandboxError, match=r"require.*network_none .*; pid_namespace"):
        await lock(folder)
    lab = Lab.open(folder)
    assert lab.ledger.state().lock is None
    lab.close()
    findings = {finding.what: finding for finding in await run_checks(folder)}
    assert not findings["sandbox"].ok
    assert "network_none" in findings["sandbox"].detail


def test_a_demand_that_nobody_knows(home: Path, make_lab: Callable[..., Path]) -> None:
    folder = make_lab(replace={"[budget]": '[sandbox]\nrequire = ["network_nonee"]\n\n[budget]'})
    with pytest.raises(ConfigError, match="network_none"):
        Lab.open(folder)


async def test_a_demand_is_met(home: Path, make_lab: Callable[..., Path]) -> None:
    wanted = sorted(BubblewrapSandbox().guarantees)
    folder = make_lab(replace={"[budget]": f"[sandbox]\nrequire = {wanted}\n\n[budget]".replace("'", '"')})
    await lock(folder)
    findings = {finding.what: finding for finding in await run_checks(folder)}
    assert [finding for finding in findings.values() if not finding.ok] == []
    assert all(name in findings["guarantees"].detail for name in wanted)


class Forgetful(BubblewrapSandbox):
    """Claims at the start what it does not hold for a job."""

    async def run(self, job: Job) -> Execution:
        execution = await super().run(job)
        return Execution(**{**vars(execution), "guarantees": ()})


async def test_a_demand_holds_for_every_single_run(
    home: Path, make_lab: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_lab(replace={"[budget]": '[sandbox]\nrequire = ["network_none"]\n\n[budget]'})
    monkeypatch.setattr("lab_plugin.sandboxing.open_sandbox", lambda *_, **__: Forgetful())
    with pytest.raises(SandboxError, match="did not hold"):
        await lock(folder)
    assert os.listdir(folder) != []
