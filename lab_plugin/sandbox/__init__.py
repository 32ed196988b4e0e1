"""Where untrusted programs run."""

from lab_plugin.sandbox._breach import Attempt, attempt_breaches
from lab_plugin.sandbox._bubblewrap import BubblewrapSandbox
from lab_plugin.sandbox._contract import ACCESS_LOG, Execution, FileRule, Job, Limits, Role, Sandbox, Status
from lab_plugin.sandbox._guarantees import GUARANTEES, require_guarantees
from lab_plugin.sandbox._open import open_sandbox, warning
from lab_plugin.sandbox._process import ProcessSandbox

__all__ = [
    "ACCESS_LOG",
    "GUARANTEES",
    "Attempt",
    "BubblewrapSandbox",
    "Execution",
    "FileRule",
    "Job",
    "Limits",
    "ProcessSandbox",
    "Role",
    "Sandbox",
    "Status",
    "attempt_breaches",
    "open_sandbox",
    "require_guarantees",
    "warning",
]
