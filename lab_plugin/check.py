"""`lab check`: probes of the wiring, each with what, where, and the remedy."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from lab_plugin import __version__
from lab_plugin.config import check_committed
from lab_plugin.errors import LabError, SandboxError
from lab_plugin.lab import Lab
from lab_plugin.locking import probe_baseline
from lab_plugin.sandbox import Sandbox, attempt_breaches, warning

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
        lab = Lab.open(path)
    except LabError as error:
        return [*findings, Finding("lab.toml and git", False, error.message, error.remedy)]
    try:
        findings.append(Finding("lab.toml", True, str(lab.config.source)))
        findings.append(await _probe("git", lambda: _git(lab)))
        findings += await _programs(lab)
        findings.append(await _probe("lock", lambda: _lock(lab)))
        findings.append(await _probe("MLflow", lambda: _mlflow(lab)))
        findings.append(await _probe("Prefect", lambda: _prefect(lab)))
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


async def _git(lab: Lab) -> str:
    commit = lab.repository.head()
    lab.require_branches()
    check_committed(lab.config, lab.repository.entries(lab.repository.tree_of(commit)), lab.directory)
    dirty = lab.repository.is_dirty()
    note = "; the working tree has uncommitted changes, which are no part of it" if dirty else ""
    return f"the baseline would be commit {commit[:12]}{note}"


async def _programs(lab: Lab) -> list[Finding]:
    """The sandbox, and inside it the candidate on HEAD and the scorer on what it leaves."""
    try:
        sandbox = lab.sandbox()
    except LabError as error:
        return [Finding("sandbox", False, error.message, error.remedy)]
    try:
        found = await _probe("sandbox", lambda: _sandbox(sandbox))
        if not found.ok:
            return [found]
        findings = [found, await _probe("guarantees", lambda: _guarantees(sandbox))]
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
        return [*findings, candidate, Finding("scorer", False, score.reason, remedy)]
    return [
        *findings,
        candidate,
        Finding("scorer", True, f"{lab.config.scorer.metric} {score.value:.6g} on HEAD"),
    ]


async def _sandbox(sandbox: Sandbox) -> str:
    await sandbox.probe()
    caution = warning(sandbox.kind)
    return f"{sandbox.kind} ({', '.join(sorted(sandbox.guarantees))}){'; ' + caution if caution else ''}"


async def _guarantees(sandbox: Sandbox) -> str:
    """Try to break what the sandbox guarantees."""
    attempts = await attempt_breaches(sandbox)
    if broken := [attempt for attempt in attempts if not attempt.held]:
        told = "; ".join(f"{attempt.guarantee}: {attempt.detail}" for attempt in broken)
        raise SandboxError(
            f"sandbox {sandbox.kind!r} does not hold what it guarantees: {told}",
            "Do not run programs that you do not trust here; another [sandbox] kind may hold.",
        )
    return f"withstood an attempt each: {', '.join(attempt.guarantee for attempt in attempts) or 'none'}"


async def _lock(lab: Lab) -> str:
    if lab.ledger.state().lock is None:
        return "not locked yet: `lab lock` comes next"
    record, _ = lab.require_lock()
    return f"epoch {record.epoch}, digest {record.digest[:12]}"


async def _mlflow(lab: Lab) -> str:
    from lab_plugin.mirroring import open_store

    store = open_store(lab)
    store.check()
    return store.uri


async def _prefect(lab: Lab) -> str:
    from lab_plugin.serving import check_api

    return check_api(lab.home)
