"""How a process worker starts a trial: one interpreter, where Prefect itself would start two in turn."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefect.client.schemas.objects import WorkPool

# The interpreter is the worker's own, which is this script's parent: it need not be on the PATH.
_SCRIPT = """\
python=$(tr '\\0' '\\n' </proc/$PPID/cmdline 2>/dev/null | head -n 1)
exec "${python:-python3}" -m lab_plugin.trial_process"""


def trial_command(pool: WorkPool) -> str | None:
    """The command of a trial's process; None where the pool is not of processes, or its owner chose another.

    Without one, a process worker starts an interpreter that finds out where the flow's code is, which takes
    as long as the trial's own start: it imports Prefect and the flow. A trial's code is this package.
    """
    template = pool.base_job_template
    variable = template.get("variables", {}).get("properties", {}).get("command")
    configured = template.get("job_configuration", {}).get("command")
    if pool.type != "process" or variable is None or variable.get("default") is not None:
        return None
    return shlex.join(["sh", "-c", _SCRIPT]) if configured == "{{ command }}" else None
