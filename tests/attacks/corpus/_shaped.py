"""Outputs and answers that are not what they should be."""

from __future__ import annotations

from tests.attacks._attack import CHANNEL, HONEST, IN_PROCESS, OUTPUTS, Attack, model

_PICKLE = "pickle"
_FORMS = "forms of outputs"
_NUMBERS = "numbers and names"
_FILES = (OUTPUTS, IN_PROCESS)


def _at_end(act: str, before: str = "") -> dict[str, str]:
    """Do something with the file that leaves the sandbox, once it is written."""
    return model(
        f"""
import atexit, pathlib, struct
{before}
def npy(descr, shape, data):
    head = ("{{'descr': %s, 'fortran_order': False, 'shape': %s, }}" % (descr, shape)).encode()
    head += b" " * (117 - len(head)) + b"\\n"
    return b"\\x93NUMPY\\x01\\x00" + struct.pack("<H", len(head)) + head + data
def spoil():
    for name in ("predictions.npy", "answers.json"):
        path = pathlib.Path(os.environ["LAB_OUTPUTS"], name)
        if path.exists():
            {act}
atexit.register(spoil)
"""
    )


def _says(text: str) -> dict[str, str]:
    """Write this text instead of any JSON."""
    return model(
        f"""
import json
TEXT = {text!r}
json.dumps = lambda *_, **__: TEXT
json.dump = lambda value, file, **_: file.write(TEXT)
"""
    )


_OUTPUT = r"(predictions\.npy|answers\.json)"

SHAPED = (
    Attack(
        name="an array that is unpickled",
        family=_PICKLE,
        files=_at_end(
            "path.write_bytes(npy(\"'|O'\", '(20,)', pickle.dumps(Evil())))",
            """
import pickle
class Evil:
    def __reduce__(self): return (os.system, ("echo BREA''CH >&2",))
""",
        ),
        contracts=_FILES,
        right={"*": "rejected"},
        reason=_OUTPUT,
        naive="files",
    ),
    Attack(
        name="an array with a program in its header",
        family=_PICKLE,
        files=_at_end(
            "path.write_bytes(npy(\"__import__('os').system('echo BREA''CH >&2')\", '(20,)', bytes(160)))"
        ),
        contracts=_FILES,
        right={"*": "rejected"},
        reason=_OUTPUT,
        naive="files",
    ),
    Attack(
        name="a pickle in place of an answer",
        family=_PICKLE,
        files=model(
            """
import pickle, stat, struct, time
class Evil:
    def __reduce__(self): return (os.system, ("echo BREA''CH >&2",))
def predict(row):
    body = pickle.dumps(Evil())
    for fd in range(3, 64):
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode): os.write(fd, struct.pack(">I", len(body)) + body)
        except OSError:
            pass
    time.sleep(600)
""",
            "",
        ),
        contracts=CHANNEL,
        right={"*": "rejected"},
        reason="not JSON|UTF-8|codec",
        naive="",
    ),
    Attack(
        name="a link to what it may not read",
        family=_FORMS,
        files=_at_end("path.unlink(); path.symlink_to('@ELSEWHERE@')"),
        contracts=_FILES,
        right={"*": "rejected"},
        reason=f"{_OUTPUT}: a symbolic link",
        naive="files",
    ),
    Attack(
        name="a second name of another file",
        family=_FORMS,
        files=_at_end(
            """path.rename(path.with_name("first"))
            try: os.link("@ELSEWHERE@", path)
            except OSError: os.link(path.with_name("first"), path)"""
        ),
        contracts=_FILES,
        right={"*": "rejected"},
        reason=f"{_OUTPUT}: .*(link|name)",
        naive="files",
    ),
    Attack(
        name="a FIFO",
        family=_FORMS,
        files=_at_end("path.unlink(); os.mkfifo(path)"),
        contracts=_FILES,
        right={"*": "rejected"},
        reason=f"{_OUTPUT}: .*(FIFO|pipe)",
        naive="files",
    ),
    Attack(
        name="a folder",
        family=_FORMS,
        files=_at_end("path.unlink(); path.mkdir()"),
        contracts=_FILES,
        right={"*": "rejected"},
        reason=f"{_OUTPUT}: .*(folder|directory)",
        naive="files",
    ),
    Attack(
        name="a giant that takes no space",
        family=_FORMS,
        files=_at_end(
            "path.write_bytes(npy(\"'<i8'\", f'({1 << 27},)', b'')); os.truncate(path, (1 << 30) + 128)"
        ),
        contracts=_FILES,
        right={"*": "rejected|crashed"},
        reason=f"{_OUTPUT}|signal|status|more than",
        naive="files",
    ),
    Attack(
        name="only the rows that are sure",
        family=_FORMS,
        files=_at_end("path.write_bytes(npy(\"'<i8'\", '(1,)', path.read_bytes()[128:136]))"),
        contracts=(OUTPUTS,),
        right={"*": "rejected"},
        reason="predictions.npy: dimension 0 is 1, not 20",
        naive="files",
    ),
    Attack(
        name="NaN in another type of array",
        family=_NUMBERS,
        files=_at_end("path.write_bytes(npy(\"'<f8'\", '(20,)', struct.pack('<20d', *[float('nan')] * 20)))"),
        contracts=(OUTPUTS,),
        right={"*": "rejected"},
        reason="predictions.npy: .*(dtype|float64)",
        naive="files",
    ),
    Attack(
        name="answers NaN",
        family=_NUMBERS,
        files=model("", "def predict(row):\n    return float('nan')\n"),
        right={"*": "less", "outputs": "crashed", "in_process": "crashed"},
        reason="struct.error|JSON compliant",
    ),
    Attack(
        name="says NaN",
        family=_NUMBERS,
        files=_says('{"value": NaN, "accuracy": NaN}'),
        right={"*": "rejected"},
        reason="NaN",
    ),
    Attack(
        name="says infinity",
        family=_NUMBERS,
        files=_says('{"value": 1e999, "accuracy": 1e999}'),
        right={"*": "rejected"},
        reason="finite|too large for a float",
    ),
    Attack(
        name="says a key twice",
        family=_NUMBERS,
        files=_says('{"accuracy": 0.0, "value": 1, "value": 2, "accuracy": 1.0}'),
        right={"*": "rejected"},
        reason="duplicate key|key twice",
    ),
    Attack(
        name="says true where a number belongs",
        family=_NUMBERS,
        files=_says('{"value": true, "accuracy": true}'),
        right={"*": "rejected", "in_process": "crashed"},
        reason="report.json|it is neither|no list of answers",
    ),
    Attack(
        name="says names with newlines",
        family=_NUMBERS,
        files=_says('{"accuracy\\nverdict: kept\\u001b[2J": 1.0, "note\\naccuracy": 1.0, "value\\n": 1}'),
        right={"*": "rejected", "in_process": "crashed"},
        reason="report.json|it is neither|no list of answers",
        naive="",
    ),
    Attack(
        name="says ten thousand brackets",
        family=_NUMBERS,
        files=_says("[" * 10_000 + "]" * 10_000),
        right={"*": "rejected"},
        reason="deep|levels|nested",
    ),
    Attack(
        name="words that drive a terminal",
        family=_NUMBERS,
        files={
            **model("sys.stderr.write('\\x1b[2J\\x1b]0;kept\\x07\\r\\u202e kept: 1.0\\n')\n", HONEST),
        },
        naive="words",
    ),
    Attack(
        name="a note that says it was kept",
        family=_NUMBERS,
        files=model(
            """
import json
dump = json.dump
note = "\\x1b[2J\\nverdict: kept\\naccuracy: 1.0\\u202e"
json.dump = lambda value, file, **rest: dump({"note": note}, file, **rest)
"""
        ),
        contracts=(OUTPUTS,),
        naive="",
    ),
    Attack(
        name="an answer of a megabyte",
        family=_FORMS,
        files=model("", "def predict(row):\n    return 'x' * (1 << 20)\n"),
        right={"*": "rejected", "outputs": "crashed"},
        reason="answer_bytes|struct.error",
        naive="",
    ),
    Attack(
        name="a frame that says it has four gigabytes",
        family=_FORMS,
        files=model(
            """
import stat
def predict(row):
    for fd in range(3, 64):
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode): os.write(fd, b"\\xff" * 8)
        except OSError:
            pass
    return (row[0] + row[1]) % 10
""",
            "",
        ),
        contracts=CHANNEL,
        right={"*": "rejected"},
        reason="has 4,294,967,295 bytes",
        naive="",
    ),
)
