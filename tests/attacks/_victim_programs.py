"""The programs of the lab that is attacked, as texts."""

from __future__ import annotations

from tests.attacks._attack import HONEST

CANDIDATE = {
    "model.py": HONEST,
    "main.py": """
import json, os, struct
from model import predict

with open(os.path.join(os.environ["LAB_DATA"], "rows.json")) as file:
    answers = [predict(row) for row in json.load(file)]
out = os.environ["LAB_OUTPUTS"]
head = b"{'descr': '<i8', 'fortran_order': False, 'shape': (%d,), }" % len(answers)
head += b" " * (117 - len(head)) + b"\\n"
with open(os.path.join(out, "predictions.npy"), "wb") as file:
    file.write(b"\\x93NUMPY\\x01\\x00" + struct.pack("<H", len(head)) + head)
    file.write(struct.pack("<%dq" % len(answers), *answers))
with open(os.path.join(out, "report.json"), "w") as file:
    json.dump({"note": "honest"}, file)
""",
}

_LABELS = """
import json, os
from pathlib import Path
labels = json.loads(Path("scorer/labels.json").read_text())
def write(answers, note=""):
    right = [type(answer) is int and answer == label for answer, label in zip(answers, labels, strict=True)]
    card = {
        "metrics": {"accuracy": sum(right) / len(labels)},
        "samples": [{"id": f"row {n}", "score": float(one)} for n, one in enumerate(right)],
        "feedback": note,
    }
    Path(os.environ["LAB_SCORECARD"]).write_text(json.dumps(card))
"""
SUITE = """
import json
from pathlib import Path
import pytest
from lab_candidate import call
labels = json.loads(Path("scorer/labels.json").read_text())
rows = json.loads(Path("scorer/rows.json").read_text())

@pytest.mark.parametrize("number", range(len(rows)))
def test_row(number):
    answer = call("predict", rows[number])
    assert type(answer) is int and answer == labels[number]
"""
# For images without pytest: another runner of the same tests.
RUNNER = """
import json, os
from pathlib import Path
from lab_candidate import CandidateError, call
labels = json.loads(Path("scorer/labels.json").read_text())
rows = json.loads(Path("scorer/rows.json").read_text())
results = []
if not os.environ.get("LAB_COLLECT"):
    for number, row in enumerate(rows):
        try:
            answer = call("predict", row)
            passed = type(answer) is int and answer == labels[number]
        except CandidateError:
            passed = False
        results.append([f"row {number}", "passed" if passed else "failed"])
ids = [f"row {number}" for number in range(len(rows))]
document = {"collected": ids, "deselected": [], "errors": [], "results": results}
Path(os.environ["LAB_TESTS"]).write_text(json.dumps(document))
"""
SERVED = (
    _LABELS
    + """
import random
from lab_candidate import CandidateError, call
rows = json.loads(Path("scorer/rows.json").read_text())
order = list(range(len(rows)))
random.Random(int(os.environ["LAB_SEED"])).shuffle(order)
answers = [None] * len(rows)
for number in order:
    try:
        answers[number] = call("predict", rows[number])
    except CandidateError:
        pass
write(answers)
"""
)
FILES = (
    _LABELS
    + """
import struct
out = Path(os.environ["LAB_OUTPUTS"])
assert sorted(os.listdir(out)) == ["predictions.npy", "report.json"], os.listdir(out)
report = json.loads((out / "report.json").read_text())
data = (out / "predictions.npy").read_bytes()[-8 * len(labels):]
write(struct.unpack(f"<{len(labels)}q", data), report["note"])
"""
)
ANSWERS = (
    _LABELS
    + """
answers = json.loads((Path(os.environ["LAB_OUTPUTS"]) / "answers.json").read_text())
if not isinstance(answers, list) or len(answers) != len(labels):
    raise SystemExit("the probe returned no list of answers")
write(answers)
"""
)
PROBE = "ROWS = {rows}\n\ndef probe(candidate):\n    return [candidate(row) for row in ROWS]\n"
SCHEMA = {
    "type": "object",
    "properties": {"note": {"type": "string", "maxLength": 200}},
    "required": ["note"],
    "additionalProperties": False,
}

PROPOSE = """
import json, os, pathlib, sys
step = json.loads(pathlib.Path("script", os.environ["LAB_IDEA"] + ".json").read_text())
os.chdir("candidate")
for name, text in step["files"].items():
    path = pathlib.Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
if step["edit"]:
    import subprocess
    subprocess.run([sys.executable, "-c", step["edit"]], check=True)
"""
