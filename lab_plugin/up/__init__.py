"""`lab up`: the Prefect API and UI, the MLflow UI and a worker for each pool, together on this machine.

Each server or worker is a `Program`; to add one, write its class and have `Stack.start` keep it. All listen
on the loopback only. A guardian is the parent of each and ends it, with all that it started, when `lab up`
ends in whatever way.
"""

from lab_plugin.up._access import set_authentication
from lab_plugin.up._pools import Served, Skipped
from lab_plugin.up._stack import Addresses, Options, Stack
from lab_plugin.up._voices import prefixed

__all__ = ["Addresses", "Options", "Served", "Skipped", "Stack", "prefixed", "set_authentication"]
