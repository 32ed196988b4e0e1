"""`tests`: a suite from the scorer's files judges a candidate by the exact set of tests that was locked."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_plugin.errors import LockError
from lab_plugin.scorer.contracts._report import ReportFault, judge, parse_report
from tests.scorer.contracts.conftest import Bench

SUITE = """
import pytest
from lab_candidate import CandidateError, call

@pytest.mark.parametrize("number", [1, 2, 3])
def test_doubles(number):
    assert call("double", number) == 2 * number

def test_refuses_text():
    with pytest.raises(CandidateError, match="no text"):
        call("double", "a")
"""
GOOD = """
def double(x):
    if isinstance(x, str):
        raise TypeError("no text")
    return 2 * x
"""
WRONG = GOOD.replace("2 * x", "2 * x + (x == 3)")
IDS = (
    "scorer/tests/test_model.py::test_doubles[1]",
    "scorer/tests/test_model.py::test_doubles[2]",
    "scorer/tests/test_model.py::test_doubles[3]",
    "scorer/tests/test_model.py::test_refuses_text",
)


def with_suite(bench: Bench, suite: str = SUITE, **files: str) -> Bench:
    bench.scorer = 'contract = "tests"\ntests = ["scorer/tests"]\nmetric = "pass_rate"'
    bench.write({"scorer/tests/test_model.py": suite})
    return bench


async def test_an_honest_candidate_passes_what_it_passes(bench: Bench) -> None:
    with_suite(bench)
    ids = await bench.collect()
    assert ids == IDS
    score = await bench.score(ids, model=GOOD)
    assert score.status == "scored", score.reason
    assert {name: score.metrics[name] for name in ("passed", "failed", "total", "pass_rate")} == {
        "passed": 4.0,
        "failed": 0.0,
        "total": 4.0,
        "pass_rate": 1.0,
    }
    score = await bench.score(ids, model=WRONG)
    assert score.value == 0.75
    assert [sample.id for sample in score.samples if not sample.score] == [IDS[2]]
    assert score.feedback == f"3 of 4 tests passed; failed: {IDS[2]}"
    kept = json.loads((bench.trial / "scorer" / "outputs" / "scorecard.json").read_text())
    assert len(kept["samples"]) == 4


# What a workspace may hold that pytest, json or Python would pick up, were they to run there.
PLANTED = {
    "conftest.py": "import os\nos._exit(0)",
    "pytest.ini": "[pytest]\naddopts = --collect-only",
    "sitecustomize.py": "raise SystemExit(0)",
    "usercustomize.py": "raise SystemExit(0)",
    "pytest.py": "def main(*_, **__): return 0",
    "lab_candidate.py": "def call(*_): return None",
    "scorer2/test_extra.py": "def test_extra(): pass",
}


async def test_nothing_in_a_workspace_reaches_the_suite(hostile: Bench) -> None:
    with_suite(hostile)
    hostile.write(PLANTED)
    boast = "\nprint('4 passed')\nimport atexit, os\natexit.register(os._exit, 0)"
    score = await hostile.score(IDS, model=WRONG + boast)
    assert (score.status, score.value) == ("scored", 0.75), score.reason


OUTCOMES = """
import pytest

def skips(): pytest.skip("on what the candidate says")
def fails(): raise AssertionError
def passes(): pass

for expected in ("", "expected", "strictly"):
    for body in (skips, fails, passes):
        def test(body=body): body()
        if expected:
            test = pytest.mark.xfail(strict=expected == "strictly")(test)
        globals()[f"test_{body.__name__}_{expected}"] = test
del test

def test_subtests(subtests):
    for number in range(2):
        with subtests.test(number=number):
            assert number == 0

@pytest.fixture
def broken():
    yield
    raise AssertionError

def test_teardown(broken):
    pass
"""


async def test_every_outcome_counts_as_passed_or_failed(hostile: Bench) -> None:
    with_suite(hostile, OUTCOMES)
    ids = await hostile.collect()
    assert len(ids) == 11
    score = await hostile.score(ids, model=GOOD)
    passed = {sample.id.partition("::")[2] for sample in score.samples if sample.score}
    assert passed == {"test_passes_", "test_passes_expected"}, score.reason


@pytest.mark.parametrize(
    ("suite", "reason"),
    [
        (SUITE + "\nraise ImportError", "cannot be collected: scorer/tests/test_model.py"),
        ("import pytest\npytest.skip('all', allow_module_level=True)", "not collected"),
        (
            SUITE.replace("with pytest", "pytest.exit('enough')\n    with pytest"),
            "not run to its end: .*refuses",
        ),
        (
            SUITE.replace("with pytest", "import os\n    os._exit(0)\n    with pytest"),
            "tests' report: missing",
        ),
    ],
)
async def test_a_suite_that_is_cut_short_is_rejected(suite: str, reason: str, hostile: Bench) -> None:
    with_suite(hostile, suite)
    score = await hostile.score(IDS, model=GOOD)
    assert (score.status, score.value) == ("rejected", None)
    assert re.search(reason, score.reason), score.reason


async def test_a_deselected_test_is_rejected(hostile: Bench) -> None:
    with_suite(hostile)
    hostile.write({"scorer/pytest.ini": "", "scorer/tests/conftest.py": DESELECT})
    score = await hostile.score(IDS, model=GOOD)
    assert score.reason == f"test deselected: {IDS[3]}"


DESELECT = """
def pytest_collection_modifyitems(config, items):
    config.hook.pytest_deselected(items=items[3:])
    del items[3:]
"""


@pytest.mark.parametrize(
    ("suite", "reason"),
    [
        ("from lab_candidate import call\ncall('double', 1)\ndef test_a(): pass", "cannot be collected"),
        ("def helper(): pass", "no test was collected"),
        (f"def test_{'a' * 250}(): pass", "printable characters"),
    ],
)
async def test_what_cannot_be_locked(suite: str, reason: str, hostile: Bench) -> None:
    with_suite(hostile, suite)
    with pytest.raises(LockError, match=reason):
        await hostile.collect()


async def test_a_candidate_that_hangs_ends_its_suite(hostile: Bench) -> None:
    with_suite(hostile)
    hostile.scorer += '\nanswer_timeout = "300ms"'
    score = await hostile.score(IDS, model="import time\ndef double(x): time.sleep(60)")
    assert score.status == "rejected"
    assert "question 1 within 0.3 s" in score.reason


RUNNER = """
import json, os
from lab_candidate import call

names = ["one", "two"]
document = {"collected": names, "deselected": [], "errors": [], "results": []}
if "LAB_COLLECT" not in os.environ:
    document["results"] = [[name, "passed" if call("double", 1) == 2 else "failed"] for name in names]
    CHANGE
json.dump(document, open(os.environ["LAB_TESTS"], "w"))
"""


def with_runner(bench: Bench, change: str = "") -> Bench:
    bench.scorer = 'contract = "tests"\ncommand = ["python", "scorer/run.py"]\nmetric = "passed"'
    bench.write({"scorer/run.py": RUNNER.replace("CHANGE", change)})
    return bench


async def test_any_runner_that_reports_ids(bench: Bench) -> None:
    with_runner(bench)
    assert await bench.collect() == ("one", "two")
    score = await bench.score(("one", "two"), model=GOOD)
    assert score.value == 2.0, score.reason
    with_runner(bench, "names.append('three')")
    score = await bench.score(("one", "two"), model=GOOD)
    assert (score.status, score.reason) == ("rejected", "test collected, but not locked: three")
    with_runner(bench, "raise SystemExit(1)")
    assert (await bench.score(("one", "two"), model=GOOD)).status == "crashed"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("names.pop()", "test not collected: two"),
        ("names.append('three')", "test collected, but not locked: three"),
        ("names.append('two')", "test collected twice: two"),
        ("document['results'].pop()", "test not run to its end: two"),
        ("document['results'].append(['three', 'passed'])", "test run, but not locked: three"),
        ("document['results'].append(['one', 'passed'])", "test run twice: one"),
        ("document['results'][0][1] = 'great'", "'great' is no outcome"),
        ("document['results'][0].append('x')", r"no list of \[id, outcome\]"),
        ("document['deselected'].append('one')", "test deselected: one"),
        ("document['errors'].append('a.py')", "cannot be collected: a.py"),
        ("document['score'] = 1", "has not the keys"),
        ("document = []", "has not the keys"),
        ("document['collected'] = 'one'", "no list of texts"),
    ],
)
def test_another_set_of_tests_is_rejected(change: str, reason: str) -> None:
    names = ["one", "two"]
    results = [[name, "passed"] for name in names]
    document = {"collected": names, "deselected": [], "errors": [], "results": results}
    assert judge(parse_report(json.dumps(document).encode()), ("one", "two")).metrics["pass_rate"] == 1.0
    scope = {"document": document, "names": names}
    exec(change, scope)
    with pytest.raises(ReportFault, match=reason):
        judge(parse_report(json.dumps(scope["document"]).encode()), ("one", "two"))


@given(
    st.binary(max_size=100) | st.recursive(st.text() | st.none(), st.lists).map(json.dumps).map(str.encode)
)
def test_no_other_bytes_are_a_report(data: bytes) -> None:
    with pytest.raises(ReportFault):
        parse_report(data)
