"""The first process's program as one text, which goes in by its stdin: the image holds nothing of the lab."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).with_name("inside")
# In the order in which they need each other.
_MODULES = ("frames", "setup", "channel", "figures", "outputs", "program", "first")

_BOOTSTRAP = """\
import os, select
poll = select.poll()
poll.register(0, select.POLLIN)
def take(n):
    data = b''
    while len(data) < n:
        poll.poll({silence_ms}) or os._exit(3)
        data += os.read(0, n - len(data)) or os._exit(3)
    return data
exec(take(int(take(8))))
"""

_LOADER = """\
import sys
Module = type(sys)
package = sys.modules["inside"] = Module("inside")
package.__path__ = []
for name, source in {sources!r}:
    module = sys.modules["inside." + name] = Module("inside." + name)
    module.__package__ = "inside"
    setattr(package, name, module)
    exec(compile(source, "lab/" + name + ".py", "exec"), module.__dict__)
sys.modules["inside.first"].main({standby!r})
"""


def bootstrap(silence: float) -> str:
    """The first process's first program, which reads `program` and becomes it.

    Args:
        silence: Seconds that it waits for more of it; then it ends. An engine that is killed while it comes
            leaves its stdin open, held by nobody who writes.
    """
    return _BOOTSTRAP.format(silence_ms=int(1000 * silence))


@cache
def program(standby: float) -> bytes:
    """What `bootstrap` reads: eight digits of length, and the text.

    Args:
        standby: Seconds that the first process waits for its setup; then it ends.
    """
    sources = [(name, (_FOLDER / f"{name}.py").read_text()) for name in _MODULES]
    text = _LOADER.format(sources=sources, standby=standby).encode()
    return b"%08d" % len(text) + text
