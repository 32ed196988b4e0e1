"""Harnesses that are worn out, hung, talked over, or left unfit for the next trial."""

from __future__ import annotations

from tests.attacks._attack import CHANNEL, OUTPUTS, Attack, model

_FLOODS = "floods"
_HANGS = "hangs"
_TURNS = "talking out of turn"
_STATE = "state for the next run"

_SOCKETS = """
import json, socket, stat, struct
def frame(value):
    body = json.dumps(value).encode()
    return struct.pack(">I", len(body)) + body
def channels():
    for fd in range(3, 64):
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode): yield fd
        except OSError:
            pass
"""

SPOILED = (
    Attack(
        name="a flood of output",
        family=_FLOODS,
        files=model(
            "line = 'x' * 65535 + '\\n'\nfor _ in range(800): sys.stdout.write(line)\nprint(flush=True)\n"
        ),
    ),
    Attack(
        name="a flood of processes",
        family=_FLOODS,
        files=model(
            """
import time
for _ in range(3000):
    try:
        if not os.fork():
            os.setsid()
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            time.sleep(600)
            os._exit(0)
    except OSError:
        break
"""
        ),
        process="harmful",
    ),
    Attack(
        name="a flood of memory",
        family=_FLOODS,
        files=model("block = b'x' * (3 << 30)\n"),
        right={"*": "crashed"},
        reason="memory|MemoryError|signal 9",
    ),
    Attack(
        name="a flood of files",
        family=_FLOODS,
        files=model(
            """
block = b"x" * (1 << 20)
for folder in (os.environ["LAB_OUTPUTS"], "/tmp", "/dev/shm"):
    try:
        with open(folder + "/@MARK@", "wb", 0) as file:
            for _ in range(2000): file.write(block)
    except OSError:
        pass
"""
        ),
        # It has nowhere to write its answers then, or is ended for its memory.
        right={"*": "crashed|honest|rejected"},
        reason="space|memory|more than|disk|wrote|missing|signal",
        process="harmful",
    ),
    Attack(
        name="never ends, and hears no signal",
        family=_HANGS,
        files=model(
            """
import signal, time
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
def predict(row):
    time.sleep(600)
""",
            "",
        ),
        right={"*": "crashed", "served": "rejected", "tests": "rejected"},
        reason="did not answer question 1 within 10 s|20 s|time",
    ),
    Attack(
        name="half of an answer, and then nothing",
        family=_HANGS,
        files=model(
            _SOCKETS
            + """
import time
def predict(row):
    for fd in channels(): os.write(fd, frame({"value": 1})[:6])
    time.sleep(600)
""",
            "",
        ),
        contracts=CHANNEL,
        right={"*": "rejected"},
        reason="did not answer question 1 within 10 s",
        naive="",
    ),
    Attack(
        name="answers before it is asked",
        family=_TURNS,
        files=model(
            _SOCKETS
            + """
def predict(row):
    for fd in channels(): os.write(fd, frame({"value": 1}) * 3)
    return 1
""",
            "",
        ),
        contracts=CHANNEL,
        right={"*": "rejected"},
        reason="out of turn",
        naive="",
    ),
    Attack(
        name="connects twice",
        family=_TURNS,
        files=model(
            _SOCKETS
            + """
import time
first = socket.socket(socket.AF_UNIX)
first.connect(os.environ["LAB_CHANNEL"])
time.sleep(0.3)
"""
        ),
        contracts=CHANNEL,
        right={"*": "rejected|crashed"},
        reason="within 10 s|refused|closed its channel|exit status 1",
        naive="",
    ),
    Attack(
        name="files and memory for the next one",
        family=_STATE,
        files=model(
            """
import ctypes
card = '{"accuracy": 1.0}'
for folder in ("/tmp", "/dev/shm", "/var/tmp", os.path.expanduser("~"), ".", "..", os.environ["LAB_DATA"]):
    try:
        with open(f"{folder}/@MARK@", "x") as file: file.write(card)
    except OSError:
        pass
try:
    ctypes.CDLL(None).shmget(@KEY@, 4096, 0o1666)
except OSError:
    pass
"""
        ),
        process="stops",
        naive="state",
    ),
    Attack(
        name="overwrites a file of the host",
        family=_STATE,
        files=model(
            """
try:
    with open("@TARGET@", "w") as file: file.write("overwritten")
except OSError:
    pass
"""
        ),
        process="open",
        naive="state",
    ),
    Attack(
        name="a process that stays",
        family=_STATE,
        files=model(
            """
if not os.fork():
    os.setsid()
    if not os.fork():
        import signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for fd in (0, 1, 2): os.dup2(os.open(os.devnull, os.O_RDWR), fd)
        os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(600)", "@MARK@"])
    os._exit(0)
os.wait()
"""
        ),
        naive="state",
    ),
    Attack(
        name="rewrites the workspace that the next one gets",
        family=_STATE,
        files=model(
            """
code = "import os; os.write(2, b'BRE' b'ACH'); os._exit(9)\\n"
here = os.path.dirname(os.path.abspath(__file__))
for folder in (here, os.path.dirname(here), here + "/__pycache__"):
    for name in ("model.py", "main.py", "json.py", "sitecustomize.py", "propose.py", "struct.py"):
        try:
            with open(f"{folder}/{name}", "w") as file: file.write(code)
        except OSError:
            pass
"""
        ),
    ),
    Attack(
        name="looks for what others left",
        family=_STATE,
        files=model(
            """
import ctypes, glob
for folder in ("/tmp", "/dev/shm", "/var/tmp", os.path.expanduser("~"), ".", "..", os.environ["LAB_DATA"]):
    if glob.glob(folder + "/@PREFIX@*"): breach("a file of another trial in " + folder)
if ctypes.CDLL(None).shmget(@KEY@, 4096, 0o666) >= 0: breach("memory of another trial")
"""
        ),
        process="open",
        naive="",
    ),
    Attack(
        name="stops its process group",
        family=_HANGS,
        files=model("import signal\n", "def predict(row):\n    os.kill(0, signal.SIGSTOP)\n"),
        contracts=(OUTPUTS, *CHANNEL),
        right={"*": "crashed", "served": "rejected", "tests": "rejected"},
        reason="within|20 s|time",
    ),
)
