"""Runs that a dead process left `Running`: found by their owner's tag, and closed."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Callable, Iterable
from pathlib import Path

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, TaskRunFilter
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import Cancelled, Crashed

from lab_plugin.local_api import process_start

_PREFIX = "lab-owner:"
_OPEN = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING, StateType.PAUSED]
_PAGE = 100


def owner_tag() -> str:
    """The tag that says which process runs a flow; give it to the campaign and its iterations."""
    start = process_start(os.getpid())
    return _PREFIX + ".".join((*_here(), str(os.getpid()), str(start)))


def is_owner_tag(tag: str) -> bool:
    """Whether a tag says which process runs a flow."""
    return tag.startswith(_PREFIX)


def owner_gone(tags: Iterable[str]) -> bool:
    """Whether the process that the tags name is certainly dead.

    False without such a tag, and for a process of another machine or another container: nothing is known
    about those.
    """
    for tag in tags:
        parts = tag.removeprefix(_PREFIX).split(".")
        if not tag.startswith(_PREFIX) or len(parts) != 5:
            continue
        (machine, boot, namespace), (pid, start) = parts[:3], parts[3:]
        here = _here()
        if machine != here[0]:
            return False
        if boot != here[1]:
            return True
        return namespace == here[2] and pid.isdecimal() and str(process_start(int(pid))) != start
    return False


async def close_dead_runs(
    tag: str, gone: Callable[[FlowRun], bool] | None = None, *, close: bool = True
) -> list[FlowRun]:
    """Mark open flow runs as `Crashed` whose process is dead; as `Cancelled` where that was asked for.

    Args:
        tag: Only runs that carry this tag are looked at.
        gone: Tells whether a run's process is dead; default by the tag of `owner_tag`.
        close: False to find them only.

    Returns:
        The flow runs, as they were.
    """
    judge = gone or (lambda run: owner_gone(run.tags))
    found: list[FlowRun] = []
    left = 0
    async with get_client() as client:
        while page := await client.read_flow_runs(
            flow_run_filter=_open_runs(tag), sort=FlowRunSort.ID_DESC, limit=_PAGE, offset=left
        ):
            dead = [run for run in page if judge(run)]
            # Those that are closed are on no further page.
            left += len(page) - (len(dead) if close else 0)
            for run in dead if close else ():
                await _close(client, run)
            found += dead
    return found


def _open_runs(tag: str) -> FlowRunFilter:
    return FlowRunFilter.model_validate({"tags": {"all_": [tag]}, "state": {"type": {"any_": _OPEN}}})


async def _close(client: PrefectClient, run: FlowRun) -> None:
    message = "The process that ran it is gone."
    cancelled = run.state_type == StateType.CANCELLING
    tasks = await client.read_task_runs(
        flow_run_filter=FlowRunFilter.model_validate({"id": {"any_": [run.id]}}),
        task_run_filter=TaskRunFilter.model_validate({"state": {"type": {"any_": _OPEN}}}),
    )
    for task in tasks:
        await client.set_task_run_state(task.id, Crashed(message=message), force=True)
    state: State[None] = (Cancelled if cancelled else Crashed)(message=message)
    await client.set_flow_run_state(run.id, state, force=True)


def _here() -> tuple[str, str, str]:
    """This machine, its current boot, and this process's PID namespace."""
    machine = _read("/etc/machine-id") or platform.node()
    namespace = os.readlink("/proc/self/ns/pid").strip("pid:[]")
    return (_short(machine), _short(_read("/proc/sys/kernel/random/boot_id")), namespace)


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
