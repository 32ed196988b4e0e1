"""Whose deployments these are: names are the lab's, and two labs may have the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lab_plugin.errors import LabError
from lab_plugin.fleet._registration import DeploymentPlan, find_deployment
from lab_plugin.lab import Lab
from lab_plugin.repository import shown_address

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient

_KEY, _LEDGER = "lab-key:", "lab-ledger:"


def ownership(lab: Lab) -> tuple[str, ...]:
    """The tags by which a lab knows its deployments again.

    The key follows from the address of the git remote. The ledger's first record is the same in all clones,
    wherever the remote moves, but a fresh clone lacks it.
    """
    records = lab.ledger.records()
    first = (f"{_LEDGER}{records[0].commit[:16]}",) if records else ()
    return (f"{_KEY}{lab.key}", *first)


async def owned(client: PrefectClient, lab: str, plans: Iterable[DeploymentPlan]) -> list[DeploymentPlan]:
    """Plans that overwrite no deployment of another lab, and forget none of the tags that are there.

    Args:
        client: Talks with the API.
        lab: The lab's name.
        plans: Deployments; those that are no lab's own stay as they are.

    Raises:
        LabError: One belongs to another lab.
    """
    found: list[DeploymentPlan] = []
    taken: dict[str, str] = {}
    for plan in plans:
        name, existing = await find_deployment(client, plan) if _own(plan.tags) else ("", None)
        theirs = _own(existing.tags) if existing is not None else set()
        # One that says nothing of its owner may be taken over.
        if existing is not None and theirs and not theirs & _own(plan.tags):
            taken[name] = _clone_of(existing.pull_steps)
        found.append(replace(plan, tags=tuple(dict.fromkeys((*plan.tags, *sorted(theirs))))))
    if taken:
        raise _refusal(str(client.api_url), lab, taken)
    return found


def _refusal(api: str, lab: str, taken: Mapping[str, str]) -> LabError:
    where = next((address for address in taken.values() if address), "another repository")
    deletes = "; ".join(f"`prefect deployment delete {name}`" for name in taken)
    return LabError(
        f"The Prefect API {api} has {', '.join(taken)} of another lab with the name {lab}, in {where}: its "
        "schedules and runs would become those of this one.",
        "Give one of the two another name under [lab], or deploy to another API. If it is this lab, `lab "
        f"sync` brings the ledger by which it is known; if that lab is no more: {deletes}.",
    )


def _own(tags: Iterable[str]) -> set[str]:
    return {tag for tag in tags if tag.startswith((_KEY, _LEDGER))}


def _clone_of(steps: Sequence[dict[str, Any]] | None) -> str:
    """What workers clone for it, without secrets; "" where that is not said."""
    for step in steps or ():
        for inputs in step.values():
            if isinstance(inputs, dict) and isinstance(inputs.get("repository"), str):
                return shown_address(inputs["repository"])
    return ""
