"""`lab check`: probes of the wiring, each with what, where, and the remedy."""

from __future__ import annotations

import asyncio
import importlib.metadata
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from lab_plugin import __version__, parameters
from lab_plugin.config import check_committed
from lab_plugin.errors import LabError, LockError, SandboxError
from lab_plugin.holdout import find_overlaps
from lab_plugin.lab import Lab
from lab_plugin.lab_branches import came_without_ledger, not_locked, require_branches
from lab_plugin.lock_in_force import require_lock
from lab_plugin.locking import probe_baseline, probe_holdout
from lab_plugin.opening import open_current
from lab_plugin.promotion import Decided
from lab_plugin.sandbox import Sandbox, attempt_breaches, warning
from lab_plugin.sharing import probe
from lab_plugin.slots import capacity_of, require_room
from lab_plugin.strategy import open_strategy

_TOLD_VERSIONS = ("prefect", "mlflow", "optuna", "fastapi")


@dataclass(frozen=True)
class Finding:
    """One probe.

    Attributes:
        what: What was probed.
        ok: It is as it should be.
        detail: What was found.
        remedy: What to do; empty when ok.
    """

    what: str
    ok: bool
    detail: str
    remedy: str = ""


async def run_checks(path: Path | None) -> list[Finding]:
    """Probe everything that a campaign needs; a probe whose ground is missing is left out."""
    findings = [_versions()]
    try:
        lab = open_current(path)
    except LabError as error:
        return [*findings, Finding("lab.toml and git", False, error.message, error.remedy)]
    try:
        findings.append(Finding("lab.toml", True, str(lab.config.source)))
        findings.append(await _probe("git", lambda: _git(lab)))
        if lab.config.lab.remote is not None:
            findings.append(await _probe("git remote", lambda: _remote(lab)))
        findings.append(await _probe("signing", lambda: _signing(lab)))
        findings.append(await _probe("resources", lambda: _resources(lab)))
        findings += await _programs(lab)
        findings.append(await _probe("lock", lambda: _lock(lab)))
        findings.append(await _probe("MLflow", lambda: _mlflow(lab)))
        findings.append(await _probe("Prefect", lambda: _prefect(lab)))
        if findings[-1].ok and lab.ledger.state().lock is not None:
            findings += await _pools(lab)
    finally:
        lab.close()
    return findings


async def _probe(what: str, work: Callable[[], Awaitable[str]]) -> Finding:
    try:
        return Finding(what, True, await work())
    except LabError as error:
        return Finding(what, False, error.message, error.remedy)


def _versions() -> Finding:
    told = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _TOLD_VERSIONS)
    return Finding("versions", True, f"prefect-lab {__version__}, {told}")


async def _signing(lab: Lab) -> str:
    if lab.ledger.require_signing():
        return "records of the ledger are signed, as your git signs commits"
    return "records of the ledger are not signed, as commit.gpgSign is not set"


async def _git(lab: Lab) -> str:
    commit = lab.repository.head()
    require_branches(lab)
    check_committed(lab.config, lab.repository.entries(lab.repository.tree_of(commit)), lab.directory)
    dirty = lab.repository.is_dirty()
    note = "; the working tree has uncommitted changes, which are no part of it" if dirty else ""
    return f"the baseline would be commit {commit[:12]}{note}"


async def _remote(lab: Lab) -> str:
    return await asyncio.to_thread(probe, lab)


async def _resources(lab: Lab) -> str:
    capacity = capacity_of(lab.config)
    require_room(lab.config, capacity)
    return str(capacity)


async def _programs(lab: Lab) -> list[Finding]:
    """The sandbox, and inside it the candidate on HEAD and the scorer on what it leaves."""
    try:
        lab.build_image()
        sandbox = lab.sandbox()
    except LabError as error:
        return [Finding("sandbox", False, error.message, error.remedy)]
    try:
        found = await _probe("sandbox", lambda: _sandbox(sandbox))
        if not found.ok:
            return [found]
        findings = [found, await _probe("guarantees", lambda: _guarantees(lab, sandbox))]
        findings.append(await _probe("strategy", lambda: _strategy(lab, sandbox)))
        findings += await _services(lab)
        if not all(finding.ok for finding in findings[3:]):
            return findings
        try:
            rescoring = await probe_baseline(lab, sandbox, lab.repository.head())
        except LabError as error:
            return [*findings, Finding("candidate and scorer", False, error.message, error.remedy)]
    finally:
        await sandbox.close()
    execution, score = rescoring.execution, rescoring.score
    if execution.status != "ok" or execution.refused:
        remedy = "Mend [candidate] command, outputs or limits; it runs without network, in the lab's folder."
        return [*findings, Finding("candidate", False, score.reason, remedy)]
    candidate = Finding("candidate", True, f"runs in {execution.wall_seconds:.2f} s and leaves its outputs")
    if score.value is None:
        remedy = f"The scorer must write {lab.config.scorer.metric!r} to $LAB_SCORECARD."
        if lab.config.scorer.contract == "tests":
            remedy = "Mend the tests; exactly those that are collected must run to their end."
        return [*findings, candidate, Finding("scorer", False, score.reason, remedy)]
    sealed = await _holdout(lab)
    metric = lab.config.scorer.metric
    missing = [name for name in lab.config.decision.metrics(metric) if name not in score.metrics]
    if missing:
        known = ", ".join(sorted(score.metrics)[:20])
        detail = f"[decision] looks at the metric {missing[0]!r}, which the scorecard lacks (it has {known})"
        remedy = "Correct the name in [decision], or have the scorer write it."
        return [*findings, candidate, Finding("decision", False, detail, remedy)]
    return [
        *findings,
        candidate,
        Finding("scorer", True, f"{metric} {score.value:.6g} on HEAD"),
        *await _tiers(lab),
        *sealed,
    ]


async def _tiers(lab: Lab) -> list[Finding]:
    """HEAD at every tier before the last."""
    tiers = {tier.name: tier for tier in lab.config.screening}

    async def attempt(name: str) -> str:
        here = lab.at(name)
        sandbox = here.sandbox()
        try:
            told = "" if here.place == lab.place else f"; sandbox {await _sandbox(sandbox)}"
            if told:
                told += f", {await _guarantees(here, sandbox)}"
            found = await probe_baseline(here, sandbox, lab.repository.head(), tiers[name].seeds)
            score, seed = found.score, found.trial.seed
        finally:
            await sandbox.close()
        if score.value is None:
            why = f"HEAD has no score there with LAB_SEED={seed}: {score.reason}"
            raise LockError(why, f"Mend [tiers.{name}], or the candidate.")
        decides = isinstance(tiers[name].promote, Decided)
        looked_at = here.config.decision.metrics(here.config.scorer.metric) if decides else ()
        missing = [each for each in looked_at if each not in score.metrics]
        if missing:
            raise LockError(
                f"its decision looks at the metric {missing[0]!r}, which the scorecard lacks",
                f"Correct [tiers.{name}.decision], or have the scorer write it.",
            )
        metric = here.config.scorer.metric
        return f"{metric} {score.value:.6g} on HEAD, in {score.seconds:.2f} s{told}"

    return [await _probe(f"tier {name}", partial(attempt, name)) for name in tiers]


async def _holdout(lab: Lab) -> list[Finding]:
    """The hold-out on HEAD, without its number, and what of it is public."""
    if lab.config.scorer.holdout is None:
        return []

    async def attempt() -> str:
        sandbox = lab.sandbox()
        try:
            score = await probe_holdout(lab, sandbox, lab.repository.head())
        finally:
            await sandbox.close()
        if score is None or score.value is None:
            why = score.reason if score else "there is none"
            raise LockError(f"it has no score on HEAD: {why}", "Mend [scorer.holdout] or the candidate.")
        return "; ".join(("scores HEAD", *(f"warning: {line}" for line in find_overlaps(lab))))

    return [await _probe("hold-out", attempt)]


async def _sandbox(sandbox: Sandbox) -> str:
    await sandbox.probe()
    caution = warning(sandbox.kind)
    return f"{sandbox.kind} ({', '.join(sorted(sandbox.guarantees))}){'; ' + caution if caution else ''}"


async def _guarantees(lab: Lab, sandbox: Sandbox) -> str:
    """Try to break what the sandbox guarantees."""
    if lab.config.services:
        # They have no part in it, and some would be started afresh for each attempt.
        bare = lab.sandbox(serves=False)
        try:
            attempts = await attempt_breaches(bare)
        finally:
            await bare.close()
    else:
        attempts = await attempt_breaches(sandbox)
    if broken := [attempt for attempt in attempts if not attempt.held]:
        told = "; ".join(f"{attempt.guarantee}: {attempt.detail}" for attempt in broken)
        raise SandboxError(
            f"sandbox {sandbox.kind!r} does not hold what it guarantees: {told}",
            "Do not run programs that you do not trust here; another [sandbox] kind may hold.",
        )
    return f"withstood an attempt each: {', '.join(attempt.guarantee for attempt in attempts) or 'none'}"


async def _strategy(lab: Lab, sandbox: Sandbox) -> str:
    """Open the proposer, as a campaign will; say which parameters the committed file lacks."""
    name = open_strategy(lab, sandbox).name
    space = lab.config.search_space
    if space is None:
        return name
    path = lab.path(space.file)
    tree = lab.repository.tree_of(lab.repository.head())
    committed = {}
    if PurePosixPath(path).name in lab.repository.entries(tree, str(PurePosixPath(path).parent)):
        data = lab.repository.read_file(tree, path)
        committed = parameters.read(data, parameters.format_of(space.file), space.key, path=space.file)
    lacking = [parameter for parameter in space.parameters if parameter not in committed]
    return f"{name}; {space.file} has no {', '.join(lacking)} yet, each idea adds it" if lacking else name


async def _services(lab: Lab) -> list[Finding]:
    """Start each service, wait until it is ready, and end it."""
    services = lab.services()
    if services is None:
        return []

    async def attempt(name: str) -> str:
        began = time.monotonic()
        await services.try_out(name)
        port = lab.config.services[name].port
        return f"ready on 127.0.0.1:{port}, and ended again, in {time.monotonic() - began:.2f} s"

    return [await _probe(f"service {name}", partial(attempt, name)) for name in lab.config.services]


async def _lock(lab: Lab) -> str:
    if lab.ledger.state().lock is None:
        if came_without_ledger(lab):
            raise not_locked(lab)
        return "not locked yet: `lab lock` comes next"
    record, _ = require_lock(lab)
    return f"epoch {record.epoch}, digest {record.digest[:12]}"


async def _mlflow(lab: Lab) -> str:
    from lab_plugin.mirroring import open_store

    store = open_store(lab)
    store.check()
    return store.uri


async def _prefect(lab: Lab) -> str:
    from lab_plugin.serving import check_api

    return check_api(lab.home)


async def _pools(lab: Lab) -> list[Finding]:
    """The pools of the tiers, which `lab deploy` makes once there is a lock."""
    from lab_plugin.fleet import queues_of, require_pool, workers_of
    from lab_plugin.serving import serving

    async def attempt(pool: str, queues: list[str]) -> str:
        from prefect.client.orchestration import get_client

        with serving(lab.home):
            async with get_client() as client:
                await require_pool(client, pool, queues)
                online = len(await workers_of(client, pool))
        start = f"; `prefect worker start --pool {pool}` starts one" if not online else ""
        return f"takes runs; workers online: {online}{start}"

    return [
        await _probe(f"pool {pool}", partial(attempt, pool, queues))
        for pool, queues in queues_of(lab.config).items()
    ]
