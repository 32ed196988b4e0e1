"""Programs on the host (a device, an emulator) that the lab's programs may reach by one port each.

A service is the user's own program: it runs on the host, trusted, without a sandbox. What uses it is not
trusted, and reaches exactly its port.

**The end.** Each service has a guardian, a process that is the parent of all that the service starts. It
ends the service when the lab says so and when the lab is gone, by `kill -9` too: SIGTERM, some seconds,
SIGKILL, until nothing is left. Should the guardian itself be killed, the command dies with it, and what that
left is found by a variable in its environment: at once by the lab, or at the next start where the lab was
killed too.

**Whose port.** A service is used only while every socket that listens on its port belongs to its own
processes.

`lab up` keeps its servers and workers by the same guardians: `take` a lock, then `Guarded.start` a `Task`.
"""

from lab_plugin.services._guarded import Guarded, Task
from lab_plugin.services._host_service import Place
from lab_plugin.services._log import STARTED, tail
from lab_plugin.services._ports import holder, listeners
from lab_plugin.services._record import MARK, InUse, record_path, take
from lab_plugin.services._services import VARIABLE, Services, Serving

__all__ = [
    "Guarded",
    "InUse",
    "MARK",
    "Place",
    "STARTED",
    "Services",
    "Serving",
    "Task",
    "VARIABLE",
    "holder",
    "listeners",
    "record_path",
    "tail",
    "take",
]
