"""One iteration by itself: from a form, or a schedule of small steps."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from lab_plugin.flows.campaign import campaign
from lab_plugin.flows.forms import LabFolder


@flow(name="one-iteration", flow_run_name="{lab}", persist_result=False)
async def one_iteration(lab: LabFolder = ".") -> State[Any]:
    """Take one idea of a lab from proposal to verdict.

    It is one of the open campaign, with that campaign's budget and strategy; without one, a campaign as
    lab.toml has it is opened. The campaign stays open while its budget lasts: `lab run` or the next run goes
    on with it. Only one process can hold a lab, so this fails while a campaign runs.

    Args:
        lab: Folder of the lab, with its lab.toml.
    """
    return await campaign(lab, at_most=1, return_state=True)
