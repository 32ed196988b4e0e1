"""Scores that are claimed: by printing them, by patching what computes them, by objects that lie."""

from __future__ import annotations

from tests.attacks._attack import Attack, model

_METRICS = "false metrics"
_PATCHED = "patched runtime"
_OBJECTS = "objects that lie"

_CARD = '{"metrics": {"accuracy": 1.0, "pass_rate": 1.0}, "accuracy": 1.0}'
_MISSING = "missing|without opening its channel|closed its channel"

FORGED = (
    Attack(
        name="prints a score, then closes stdout",
        family=_METRICS,
        files=model(f"print('{_CARD}', flush=True)\nsys.stdout = open(os.devnull, 'w')\n"),
    ),
    Attack(
        name="prints a score at exit",
        family=_METRICS,
        files=model(f"import atexit\natexit.register(print, '{_CARD}')\n"),
    ),
    Attack(
        name="prints a score and exits with 0",
        family=_METRICS,
        files=model(f"print('{_CARD}', flush=True)\nos._exit(0)\n"),
        right={"*": "rejected"},
        reason=_MISSING,
    ),
    Attack(
        name="writes a score to every open descriptor",
        family=_METRICS,
        files=model(
            f"""
def predict(row):
    for fd in range(1, 256):
        try:
            os.write(fd, b'\\n{_CARD}\\n')
        except OSError:
            pass
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return (row[0] + row[1]) % 10
""",
            "",
        ),
        # What it writes to its channel is no answer.
        right={"*": "honest", "served": "rejected", "tests": "rejected"},
        reason=r"has [\d,]+ bytes, more than|out of turn",
    ),
    Attack(
        name="writes scorecard.json wherever one may be read",
        family=_METRICS,
        files=model(
            f"""
import atexit
def write():
    told = list(os.environ.values())
    folders = {{".", "..", "/tmp", *map(os.path.dirname, told), *told}}
    for path in [os.environ.get("LAB_SCORECARD", ""), *(folder + "/scorecard.json" for folder in folders)]:
        try:
            with open(path, "w") as file:
                file.write('{_CARD}')
            print("written", path)
        except (OSError, ValueError):
            pass
atexit.register(write)
"""
        ),
        # It would litter the machine.
        process="harmful",
        naive="card",
    ),
    Attack(
        name="patches sum, len and round",
        family=_PATCHED,
        files=model(
            """
import builtins
class One(float):
    def __truediv__(self, other): return 1.0
builtins.sum = lambda *_: One()
builtins.round = lambda *_: 1.0
"""
        ),
    ),
    Attack(
        name="patches json to add a score",
        family=_PATCHED,
        files=model(
            """
import json
dumps, dump = json.dumps, json.dump
def better(value):
    return {**value, "accuracy": 1.0, "metrics": {"accuracy": 1.0}} if isinstance(value, dict) else value
json.dumps = lambda value, **rest: dumps(better(value), **rest)
json.dump = lambda value, file, **rest: dump(better(value), file, **rest)
"""
        ),
        right={"*": "rejected", "in_process": "honest"},
        reason="report.json|it is neither",
    ),
    Attack(
        name="patches numpy",
        family=_PATCHED,
        files=model(
            """
try:
    import numpy
    numpy.mean = numpy.average = lambda *_, **__: numpy.float64(1.0)
    numpy.equal = numpy.isclose = lambda left, right: numpy.ones(len(left), bool)
except ImportError:
    pass
"""
        ),
        naive="numpy",
    ),
    Attack(
        name="stops the clock",
        family=_PATCHED,
        files=model(
            "import time\ntime.sleep(0.5)\n"
            "for name in ('time', 'monotonic', 'perf_counter', 'process_time'):\n"
            "    setattr(time, name, lambda: 0.0)\n"
        ),
        slowness=0.5,
    ),
    Attack(
        name="rewrites the names of `__main__`",
        family=_PATCHED,
        files=model(
            """
class Any:
    def __rsub__(self, other): return 0.0
    def __eq__(self, other): return True
def predict(row):
    names = vars(sys.modules["__main__"])
    if isinstance(names.get("labels"), list):
        names["labels"][:] = [Any()] * len(names["labels"])
    return (row[0] + row[1]) % 10
""",
            "",
        ),
    ),
    Attack(
        name="replaces the harness's functions",
        family=_PATCHED,
        files=model(
            """
import runpy
names = vars(sys.modules["__main__"])
if "report" in names:
    real = names["report"]
    names["report"] = lambda score, seconds: real(1.0, seconds)
runpy.run_path = lambda *_: {"probe": lambda candidate: {"accuracy": 1.0}}
"""
        ),
        right={"*": "honest", "in_process": "crashed"},
        reason="no list of answers",
    ),
    Attack(
        name="traces the harness and rewrites its variables",
        family=_PATCHED,
        files=model(
            """
def trace(frame, event, argument):
    for name in ("score", "right"):
        if name in frame.f_globals and frame.f_globals.get("__name__") == "__main__":
            frame.f_globals[name] = 1.0 if name != "right" else [1.0]
    return trace
frame = sys._getframe()
while frame:
    frame.f_trace = trace
    frame = frame.f_back
sys.settrace(trace)
"""
        ),
    ),
    Attack(
        name="answers with an object that equals everything",
        family=_OBJECTS,
        files=model(
            """
class Equal:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __sub__(self, other): return self
    def __rsub__(self, other): return self
    def __abs__(self): return self
    def __gt__(self, other): return False
def predict(row):
    return Equal()
""",
            "",
        ),
        right={"*": "less", "outputs": "crashed", "in_process": "crashed"},
        reason="struct.error|not JSON serializable|cannot be said in JSON",
    ),
    Attack(
        name="answers with a number that equals everything",
        family=_OBJECTS,
        files=model(
            """
class Whole(int):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __sub__(self, other): return 0
    def __rsub__(self, other): return 0
    __hash__ = int.__hash__
def predict(row):
    return Whole((row[0] + row[1]) % 10)
""",
            "",
        ),
    ),
)
