"""What the warm interpreter starts with: `python start.py FOLDER DESCRIPTOR MODULE...`.

The folder is that which `_launcher` lies in.

The modules that programs shall find are imported first, with nothing of the launcher in sight; what is
imported later is taken away again before a program runs.
"""

import os
import sys

_FOLDERS = ("/tmp", "/dev/shm")  # noqa: S108 - inside

sys.path.pop(0)
_there = {folder: os.listdir(folder) for folder in _FOLDERS}
_plain = frozenset(sys.modules)
for _name in sys.argv[3:]:
    __import__(_name)
_wanted = frozenset(sys.modules)
sys.path.insert(0, sys.argv[1])

from _launcher.zygote.serving import serve  # type: ignore[import-not-found] # noqa: E402

_left = [
    f"{folder}/{name}" for folder in _FOLDERS for name in os.listdir(folder) if name not in _there[folder]
]
_program = serve(int(sys.argv[2]), _plain, _wanted, _left)
_program.run()
