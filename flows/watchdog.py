"""A look at what goes wrong around a lab's campaigns: for a schedule, or from `lab watchdog`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import flow, get_run_logger
from prefect.artifacts import acreate_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from lab_plugin.flows.reconciliation import close_dead_runs
from lab_plugin.lab import Lab
from lab_plugin.opening import open_in_flow
from lab_plugin.upkeep import LEAST_FREE_GB, Finding, findings_table, look_after, outcome, remote_findings


@flow(name="watchdog", persist_result=False)
async def watchdog(lab: str = ".", mend: bool = True, least_free_gb: float = LEAST_FREE_GB) -> State[Any]:
    """Find what dead processes left behind and what has drifted, and mend what is certainly to be mended.

    What the git remote of a shared lab has is taken in first. The run ends as `Healthy`, as `Mended`, or
    fails as `Needs attention`.

    Args:
        lab: Folder of the lab, with its lab.toml.
        mend: Whether to change anything.
        least_free_gb: Gigabytes that should be free where the lab writes.
    """
    this = await open_in_flow(Path(lab))
    try:
        findings = await asyncio.to_thread(remote_findings, this)
        findings += await look(this, mend=mend, least_free=least_free_gb)
    finally:
        this.close()
    word = outcome(findings)
    name = f"{this.name} watchdog: {word}"
    for finding in findings:
        how = "mended" if finding.mended else "open"
        get_run_logger().warning("%s, %s: %s. %s", how, finding.where, finding.what, finding.remedy)
    await acreate_markdown_artifact(
        key=f"{this.name}-watchdog", markdown=findings_table(this.name, findings), description=name
    )
    async with get_client() as client:
        await client.update_flow_run(UUID(flow_run.id), name=name, tags=sorted({*flow_run.tags, this.tag}))
    open_ones = [finding.what for finding in findings if not finding.mended]
    return (Failed if open_ones else Completed)(name=word, message="; ".join(open_ones) or None)


async def look(lab: Lab, *, mend: bool = True, least_free: float = LEAST_FREE_GB) -> list[Finding]:
    """Look at a lab, and at its flow runs.

    Args:
        lab: The lab.
        mend: Whether to change anything.
        least_free: Gigabytes that should be free where the lab writes.
    """
    findings = await asyncio.to_thread(look_after, lab, mend=mend, least_free=least_free)
    runs = await close_dead_runs(lab.tag, close=mend)
    return [*findings, *(_of(run, mend) for run in runs)]


def _of(run: FlowRun, mend: bool) -> Finding:
    state = run.state.name if run.state is not None else "open"
    what = f"the run {run.name!r} shows as {state}, and its process is dead"
    remedy = "It was closed." if mend else "`lab watchdog` closes it, and so does `lab run`."
    return Finding("run", what, f"flow-run {run.id}", remedy, mended=mend)
