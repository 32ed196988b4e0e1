"""`in_process`: probe and candidate share a process, which is dead before the scorer starts."""

import pytest

from tests.scorer.contracts.conftest import Bench

PROBE = """
def probe(candidate):
    return [candidate.double(x) for x in (1, 2, 3)]
"""
SCORE = """
import json, os
answers = json.load(open(os.path.join(os.environ["LAB_OUTPUTS"], "answers.json")))
labels = json.load(open("scorer/labels.json"))
right = sum(type(answer) is int and answer == label for answer, label in zip(answers, labels))
json.dump({"metrics": {"value": right / 3}}, open(os.environ["LAB_SCORECARD"], "w"))
"""
GOOD = "def double(x): return 2 * x"


def in_process(bench: Bench) -> Bench:
    command = 'command = ["python", "scorer/score.py"]'
    bench.scorer = f'contract = "in_process"\nprobe = "scorer/probe.py"\n{command}\nmetric = "value"'
    bench.write({"scorer/labels.json": "[2, 4, 6]"})
    return bench


async def test_an_honest_candidate_scores_its_score_with_less_guaranteed(bench: Bench) -> None:
    score = await in_process(bench).score(model=GOOD, probe=PROBE, score=SCORE)
    assert score.value == 1.0, score.reason
    assert "separate_process" not in score.guarantees


@pytest.mark.parametrize(
    ("model", "status", "reason"),
    [
        (
            "class Equal:\n    def __eq__(self, other): return True\ndef double(x): return Equal()",
            "crashed",
            "JSON",
        ),
        ("def double(x): return float('nan')", "crashed", "not JSON compliant"),
        ("def double(x): return 'x' * 500", "rejected", "answer_bytes"),
        ("import os\nos._exit(0)", "rejected", "answers.json: missing"),
        ("import json\njson.dumps = lambda *_, **__: '[NaN]'\n" + GOOD, "rejected", "NaN"),
        (
            'import json\njson.dumps = lambda *_, **__: \'{"a": 1, "a": 2}\'\n' + GOOD,
            "rejected",
            "duplicate key",
        ),
    ],
)
async def test_what_leaves_is_data(model: str, status: str, reason: str, hostile: Bench) -> None:
    in_process(hostile).scorer += '\nanswer_bytes = "1KB"'
    score = await hostile.score(model=model, probe=PROBE, score=SCORE)
    assert (score.status, score.value) == (status, None)
    assert reason in score.reason


async def test_labels_are_nowhere_while_a_candidate_lives(hostile: Bench) -> None:
    model = """
import os
def double(x):
    found = []
    for top in ("/lab", "/proc", "/tmp", "/run"):
        for folder, _, files in os.walk(top):
            found += [os.path.join(folder, name) for name in files]
    assert not [path for path in found if "labels.json" in path or "score.py" in path]
    return 2 * x
"""
    score = await in_process(hostile).score(model=model, probe=PROBE, score=SCORE)
    assert score.value == 1.0, score.reason
