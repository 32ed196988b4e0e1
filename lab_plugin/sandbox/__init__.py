"""Where untrusted programs run."""

from lab_plugin.sandbox._breach import Attempt, attempt_breaches
from lab_plugin.sandbox._bubblewrap import BubblewrapSandbox
from lab_plugin.sandbox._contract import ACCESS_LOG, Execution, FileRule, Job, Limits, Role, Sandbox, Status
from lab_plugin.sandbox._docker import DockerSandbox, build_image, orphan_containers
from lab_plugin.sandbox._guarantees import (
    CONTRACT_GUARANTEES,
    GUARANTEES,
    SEPARATE_PROCESS,
    require_guarantees,
)
from lab_plugin.sandbox._open import image_of, open_sandbox, warning
from lab_plugin.sandbox._process import ProcessSandbox
from lab_plugin.sandbox._warmable import is_warmable

__all__ = [
    "ACCESS_LOG",
    "CONTRACT_GUARANTEES",
    "GUARANTEES",
    "SEPARATE_PROCESS",
    "Attempt",
    "BubblewrapSandbox",
    "DockerSandbox",
    "Execution",
    "FileRule",
    "Job",
    "Limits",
    "ProcessSandbox",
    "Role",
    "Sandbox",
    "Status",
    "attempt_breaches",
    "build_image",
    "image_of",
    "is_warmable",
    "open_sandbox",
    "orphan_containers",
    "require_guarantees",
    "warning",
]
