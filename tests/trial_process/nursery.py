"""A nursery whose trials do what their environment says, instead of running Prefect."""

import os
import signal
import sys
import time
from pathlib import Path

from lab_plugin.trial_process import Nursery, _nursery

_nursery.load = lambda: None  # type: ignore[assignment]
_nursery._PACKAGE = Path(sys.argv[1])
nursery = os.getpid()
Nursery(int(sys.argv[2]), int(sys.argv[3])).serve()

assert nursery not in (os.getpid(), os.getppid())
# Before anybody is told of this process: a signal may come as soon as they know.
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(5))
print(os.getpid(), os.getcwd(), flush=True)
match os.environ["PREFECT__DO"]:
    case "exit":
        sys.exit(7)
    case "die":
        os.kill(os.getpid(), signal.SIGKILL)
    case "wait":
        # Not pause(): a signal that comes just before it would be forgotten.
        while True:
            time.sleep(1)
