"""What a hostile candidate may put on its channel, and the rule that each of it breaks."""

import asyncio
import contextlib
import re
import socket
import struct
import threading
from pathlib import Path

import pytest

from lab_plugin.scorer.contracts._channel import Channel
from lab_plugin.scorer.contracts._relay import Rules
from tests.scorer.contracts.conftest import Bench

# A program that speaks the frames itself, and says what a test wants it to say.
RAW = """
import os, socket, struct, sys, time

def connect():
    channel = socket.socket(socket.AF_UNIX)
    channel.connect(os.environ["LAB_CHANNEL"])
    return channel

def hear():
    size = struct.unpack(">I", channel.recv(4, socket.MSG_WAITALL))[0]
    return channel.recv(size, socket.MSG_WAITALL)

def frame(body):
    return struct.pack(">I", len(body)) + body

def end():
    while channel.recv(4096):
        pass
    os._exit(0)

GOOD = frame(b'{"value": 1}')
channel = connect()
"""
SCORE = """
import json, os
from lab_candidate import CandidateError, CandidateGone, call
right = 0
for _ in range(3):
    try:
        right += call("f") == 1
    except (CandidateError, CandidateGone):
        pass
json.dump({"metrics": {"value": right}}, open(os.environ["LAB_SCORECARD"], "w"))
"""
ANSWER = "hear(); channel.sendall({}); end()"
SAYS = {
    "NaN": (ANSWER.format("""frame(b'{"value": NaN}')"""), "NaN"),
    "infinity in disguise": (ANSWER.format("""frame(b'{"value": 1e999}')"""), "not finite"),
    "duplicate key": (ANSWER.format("""frame(b'{"value": 1, "value": 2}')"""), "duplicate key"),
    "deep": (ANSWER.format("""frame(b'{"value": ' + b"[" * 5000 + b"]" * 5000 + b"}")"""), "deeper than 100"),
    "another key": (ANSWER.format("""frame(b'{"value": 1, "score": 1}')"""), "neither"),
    "no object": (ANSWER.format("""frame(b"1")"""), "neither"),
    "error of another type": (
        ANSWER.format("""frame(b'{"error": 1, "message": ""}')"""),
        '"error" is no text',
    ),
    "long message": (
        ANSWER.format("""frame(b'{"error": "E", "message": "' + b"x" * 5000 + b'"}')"""),
        '"message" is no text',
    ),
    "half a character": (ANSWER.format(r"""frame(b'{"value": "\\ud800"}')"""), "Unicode"),
    "no UTF-8": (ANSWER.format(r"""frame(b'"\xff"')"""), "not JSON"),
    "long number": (ANSWER.format("""frame(b'{"value": ' + b"9" * 9000 + b"}")"""), "not JSON"),
    "empty": (ANSWER.format("""frame(b"")"""), "not JSON"),
    "pickle": (ANSWER.format("""frame(__import__("pickle").dumps(1))"""), "not JSON"),
    "large": (ANSWER.format("""frame(b'"' + b"x" * (1 << 20) + b'"')"""), "answer_bytes"),
    "announced giant": (ANSWER.format("""b"\\xff" * 8"""), "4,294,967,295 bytes"),
    "two answers": (ANSWER.format("GOOD + GOOD"), "out of turn"),
    # Where the first question goes out at the same moment, it counts as its answer, and the next has none.
    "before it is asked": (
        "channel.sendall(GOOD); time.sleep(0.2); hear(); end()",
        "out of turn|not answer question 2",
    ),
    "behind the last": (
        "[(hear(), channel.sendall(GOOD + b'x' * (i > 1))) for i in range(3)]; end()",
        "out of turn",
    ),
    "hangs": ("hear(); time.sleep(4)", "within 2 s"),
    "slowly": (
        "hear(); [(channel.sendall(bytes([byte])), time.sleep(0.2)) for byte in GOOD]; end()",
        "within 2 s",
    ),
    "half an answer": (
        "hear(); channel.sendall(GOOD[:7]); channel.close(); time.sleep(0.1)",
        "closed its channel",
    ),
}


PROCESSES = {
    "does not listen": ("time.sleep(60)", "within 0.5 s"),
    "closes early": ("hear(); channel.sendall(GOOD); channel.close(); time.sleep(60)", "question 2"),
    "leaves with 0": ("hear(); channel.sendall(GOOD); os._exit(0)", "closed its channel"),
    "goes on": ("[(hear(), channel.sendall(GOOD)) for _ in range(3)]; time.sleep(60)", "did not end within"),
}
RULES = Rules(candidate_seconds=20, scorer_seconds=20, answer_seconds=2, answer_bytes=1 << 20, questions=100)


def say(path: Path, code: str) -> None:
    """Be the candidate, in a thread."""
    text = (
        (RAW + code)
        .replace("os._exit(0)", "sys.exit()")
        .replace('os.environ["LAB_CHANNEL"]', repr(str(path)))
    )
    with contextlib.suppress(OSError, struct.error, SystemExit):
        exec(text, {})


def ask(path: Path) -> list[bytes]:
    """Be the scorer, in a thread: ask three times; what was answered."""
    answers = []
    with socket.socket(socket.AF_UNIX) as channel, contextlib.suppress(OSError, struct.error):
        channel.connect(str(path))
        for _ in range(3):
            channel.sendall(struct.pack(">I", 2) + b"{}")
            size = struct.unpack(">I", channel.recv(4, socket.MSG_WAITALL))[0]
            answers.append(channel.recv(size, socket.MSG_WAITALL))
    return answers


@pytest.mark.parametrize("name", SAYS)
async def test_each_breach_is_rejected_by_name(name: str) -> None:
    code, rule = SAYS[name]
    async with Channel(RULES) as channel:
        threading.Thread(target=say, args=(channel.candidate, code), daemon=True).start()
        answers = await asyncio.to_thread(ask, channel.scorer)
        channel.scorer_ended()
        breach = await channel.over
    assert breach is not None
    assert breach.status == "rejected"
    assert re.search(rule, breach.reason), breach.reason
    assert set(answers) <= {b'{"value":1}'}, "only what keeps the rules is carried"


@pytest.mark.parametrize("name", PROCESSES)
async def test_a_breach_leaves_no_score(name: str, hostile: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    code, rule = PROCESSES[name]
    # Some would be waited for in vain.
    monkeypatch.setattr("lab_plugin.scorer.contracts._conversation.FAREWELL_SECONDS", 0.2)
    hostile.candidate = f'command = ["python", "-S", "model.py", "{hostile.marker}"]'
    hostile.scorer += '\nanswer_timeout = "500ms"'
    score = await hostile.score(model=RAW + code, score=SCORE)
    assert (score.status, score.value) == ("rejected", None)
    assert re.search(rule, score.reason), score.reason


HONEST = "[(hear(), channel.sendall(GOOD)) for _ in range(3)]; end()"
HARMLESS = {
    "any program": HONEST,
    "connects twice": """
for _ in range(2):
    try:
        if connect().recv(1):
            raise SystemExit("a second connection was taken")
    except OSError:
        pass
"""
    + HONEST,
    "passes descriptors": """
pipe = os.pipe()
for _ in range(3):
    hear()
    socket.send_fds(channel, [GOOD], [0, *pipe])
end()
""",
    "prints results": """
print('{"metrics": {"value": 99}}')
print('{"value": 99}', file=sys.stderr)
open(os.path.join(os.environ["LAB_OUTPUTS"], "scorecard.json"), "w").write('{"metrics": {"value": 99}}')
"""
    + HONEST,
    "shuts its writing": """
for _ in range(3):
    hear()
    channel.sendall(GOOD)
channel.shutdown(socket.SHUT_WR)
end()
""",
    "leaves a daemon": """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(1000)
    os._exit(0)
"""
    + HONEST,
}


@pytest.mark.parametrize("name", HARMLESS)
async def test_what_changes_nothing(name: str, bench: Bench) -> None:
    bench.candidate = f'command = ["python", "-S", "model.py", "{bench.marker}"]'
    score = await bench.score(model=RAW + HARMLESS[name], score=SCORE)
    assert score.status == "scored", score.reason
    assert score.value == 3.0
