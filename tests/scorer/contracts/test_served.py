"""`served`, as an honest candidate and its scorer meet it."""

import asyncio
import re

import pytest

from tests.scorer.contracts.conftest import Bench

MODEL = """
import numpy as np
import os

def double(x):
    return 2 * np.asarray(x)

def refuse(*, why):
    raise ValueError(why)

def nothing():
    return None

print("imported", os.environ["LAB_SEED"])
"""
SCORE = """
import json, os
from lab_candidate import CandidateError, call

assert os.environ["LAB_USAGE"] and not os.environ.get("LAB_OUTPUTS")
answers = [call("double", [1.5, number]) for number in range(20)]
try:
    call("refuse", why="because")
except CandidateError as error:
    assert (error.kind, error.message) == ("ValueError", "because")
try:
    call("_private")
except CandidateError as error:
    assert error.kind == "AttributeError"
assert call("nothing") is None
right = sum(answer == [3.0, 2.0 * number] for number, answer in enumerate(answers))
card = {"metrics": {"value": right / 20}, "samples": [{"id": "a", "score": 1}], "feedback": "well"}
open(os.environ["LAB_SCORECARD"], "w").write(json.dumps(card))
"""


async def test_an_honest_candidate_scores_its_score(bench: Bench) -> None:
    score = await bench.score(model=MODEL, score=SCORE)
    assert score.status == "scored", score.reason
    assert (score.value, score.feedback) == (1.0, "well")
    assert "separate_process" in score.guarantees
    assert 0 < score.metrics["usage.wall_seconds"] < score.seconds
    assert "imported 0" in bench.log("candidate/stdout")


COUNT = """
import json, os
from lab_candidate import CandidateError, CandidateGone, call
value = 0.0
for number in range(3):
    try:
        value += call("f", number) == number
    except (CandidateError, CandidateGone):
        pass
json.dump({"metrics": {"value": value}}, open(os.environ["LAB_SCORECARD"], "w"))
"""
ECHO = "def f(x): return x"


async def test_a_module_answers_with_data_or_an_error(hostile: Bench) -> None:
    model = """
import atexit, threading, time

class Equal:
    def __eq__(self, other): return True

class Whole(int):
    def __eq__(self, other): return True

def equal(): return Equal()
def whole(): return Whole(7)
def nan(): return float("nan")
def raises(): return 1 / 0
def keys(): return {1: "a", "1": "b"}
threading.Thread(target=time.sleep, args=(60,)).start()
atexit.register(print, "score: 99")
"""
    scorer = """
import json, os
from lab_candidate import CandidateError, call
assert call("whole") == 7 and type(call("whole")) is int
for name, kind in (("equal", "TypeError"), ("nan", "ValueError"), ("raises", "ZeroDivisionError")):
    try:
        raise SystemExit(f"{name}: {call(name)}")
    except CandidateError as error:
        assert error.kind == kind, error
json.dump({"metrics": {"value": 1}}, open(os.environ["LAB_SCORECARD"], "w"))
"""
    assert (await hostile.score(model=model, score=scorer)).value == 1.0
    score = await hostile.score(score=scorer.replace('"nan", "ValueError"', '"keys", "?"'))
    assert (score.status, "duplicate key" in score.reason) == ("rejected", True), score.reason


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("raise ValueError('at import')", "candidate exit status 1\n.*ValueError: at import"),
        ("import os\ndef f(x): os._exit(0)", "closed its channel before it answered question 1"),
        ("import os\ndef f(x): os.kill(os.getpid(), 9)", "candidate ended by signal 9"),
        ("import json\njson.dumps = None\n" + ECHO, "candidate exit status 1\n.*not callable"),
        ("import os\nos._exit(0)", "candidate ended without opening its channel"),
        ("import time\ntime.sleep(60)", "candidate was not ready within 2 s"),
        ("import time\ndef f(x): time.sleep(0.9); return x", r"more than 2 s for all answers"),
        ("x = bytearray(2 << 30)\ndef f(x): return x", "candidate (used more memory|exit status 1)"),
    ],
)
async def test_a_candidate_that_fails_has_no_score(model: str, reason: str, hostile: Bench) -> None:
    hostile.candidate = 'serve = "model:f"'
    hostile.short = "2s" if "2 s" in reason else "20s"
    score = await hostile.score(model=model, score=COUNT)
    assert score.status in ("crashed", "rejected")
    assert score.value is None
    assert re.search(reason, score.reason, re.DOTALL), score.reason


@pytest.mark.parametrize(
    ("scorer", "reason"),
    [
        ("raise SystemExit('no labels')", "scorer exit status 1\n.*no labels"),
        ("pass", "the scorer's scorecard: missing"),
        ("from lab_candidate import call\ncall('f', float('nan'))", "scorer exit status 1\n.*ValueError"),
        ("from lab_candidate import call\nwhile True: call('f', 1)", "scorer asked more than 50 questions"),
        ("import time\ntime.sleep(60)", r"scorer took more than 2 s, its candidate's time not counted"),
        (
            "import threading, time\nfrom lab_candidate import call\n"
            "threading.Thread(target=call, args=('slow',), daemon=True).start()\n"
            "time.sleep(1)\nraise SystemExit(5)",
            "scorer exit status 5",
        ),
    ],
)
async def test_a_scorer_that_fails_gives_no_score(
    scorer: str, reason: str, hostile: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab_plugin.scorer.contracts._conversation.FAREWELL_SECONDS", 0.5)
    hostile.scorer += "\nquestions = 50"
    hostile.short = "2s" if "2 s" in reason else "20s"
    score = await hostile.score(model=f"import time\n{ECHO}\ndef slow(): time.sleep(60)", score=scorer)
    assert (score.status, score.value) == ("rejected" if "missing" in reason else "crashed", None)
    assert re.search(reason, score.reason, re.DOTALL), score.reason


async def test_a_slow_candidate_is_not_its_scorers_fault(hostile: Bench) -> None:
    hostile.short = "2s"
    model = f"import time\ntime.sleep(1.2)\n{ECHO}"
    scorer = COUNT.replace("for number", "import time\ntime.sleep(1.5)\nfor number")
    score = await hostile.score(model=model, score=scorer)
    assert (score.status, score.value) == ("scored", 3.0), score.reason


async def test_nothing_of_one_side_is_seen_by_the_other(hostile: Bench) -> None:
    hostile.write({"scorer/labels.json": "[7]"})
    model = """
import os
def look():
    found = []
    for top in ("/lab", "/proc", "/tmp", "/run"):
        for folder, _, files in os.walk(top):
            found += [os.path.join(folder, name) for name in files]
    return [path for path in found if "labels.json" in path or "score.py" in path]
def environment():
    return sorted(name for name in os.environ if name.startswith("LAB_"))
"""
    scorer = """
import json, os
from lab_candidate import call
assert os.path.exists("scorer/labels.json") and not os.path.exists("model.py")
seen, known = call("look"), call("environment")
assert seen == [], seen
assert "LAB_CANDIDATE" not in known and "LAB_SCORECARD" not in known, known
json.dump({"metrics": {"value": 1}}, open(os.environ["LAB_SCORECARD"], "w"))
"""
    score = await hostile.score(model=model, score=scorer)
    assert score.value == 1.0, score.reason


async def test_cancelled_both_are_dead(bench: Bench) -> None:
    bench.candidate = f'command = ["python", "model.py", "{bench.marker}"]'
    bench.scorer = bench.scorer.replace('score.py"]', f'score.py", "{bench.marker}"]')
    forever = "import time\ntime.sleep(600)"
    scoring = asyncio.ensure_future(bench.score(model=forever, score=forever))
    while len(bench.alive()) < 2:
        await asyncio.sleep(0.05)
        assert not scoring.done()
    scoring.cancel()
    with pytest.raises(asyncio.CancelledError):
        await scoring
    assert bench.alive() == []
