"""Where untrusted programs run."""

from lab_plugin.sandbox._contract import Execution, Job, Limits, Role, Sandbox, Status

__all__ = ["Execution", "Job", "Limits", "Role", "Sandbox", "Status"]
