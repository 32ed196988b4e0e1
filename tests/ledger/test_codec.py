import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_plugin.errors import LedgerError
from lab_plugin.ledger import CampaignRecord, LockRecord, VerdictRecord
from lab_plugin.ledger._codec import canonical, decode, encode, line_of, read, to_message

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
OID = st.text("0123456789abcdef", min_size=40, max_size=40)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | FINITE | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
PARAMS = st.dictionaries(TEXT, PLAIN, max_size=4)
METRICS = st.dictionaries(TEXT, FINITE, max_size=4)

VERDICTS = st.builds(
    VerdictRecord,
    at=TEXT,
    number=st.integers(0, 10**6),
    slug=TEXT,
    branch=TEXT,
    campaign=st.integers(0, 100),
    epoch=st.integers(1, 9),
    strategy=TEXT,
    hypothesis=TEXT,
    commit=OID,
    tree=OID,
    parents=st.tuples(OID),
    verdict=st.sampled_from(["kept", "reverted", "crashed"]),
    reason=TEXT,
    value=st.none() | FINITE,
    metrics=METRICS,
    params=PARAMS,
    seconds=FINITE,
)
LOCKS = st.builds(
    LockRecord,
    at=TEXT,
    lab=TEXT,
    epoch=st.integers(1, 9),
    reason=TEXT,
    digest=TEXT,
    metric=TEXT,
    goal=st.sampled_from(["maximize", "minimize"]),
    commit=OID,
    tree=OID,
    value=FINITE,
    metrics=METRICS,
)
CAMPAIGNS = st.builds(
    CampaignRecord,
    at=TEXT,
    campaign=st.integers(0, 100),
    event=st.sampled_from(["opened", "closed"]),
    strategy=TEXT,
    budget=METRICS,
    reason=TEXT,
)


@given(VERDICTS | LOCKS | CAMPAIGNS)
def test_there_and_back(record: VerdictRecord | LockRecord | CampaignRecord) -> None:
    line = encode(record)
    assert decode(line) == read(line) == record
    assert encode(decode(line)) == line
    assert line.isascii() and "\n" not in line
    message = to_message(record).encode()
    assert line_of(message) == line
    assert message.split(b"\n")[1] == b"" and message.count(b"\n") == 3


def record(**fields: object) -> VerdictRecord:
    values: dict[str, object] = {
        "at": "t", "number": 1, "slug": "s", "branch": "b", "campaign": 1, "epoch": 1, "strategy": "s",
        "hypothesis": "h",
        "commit": "c", "tree": "t", "parents": (), "verdict": "kept", "reason": "r", **fields,
    }  # fmt: skip
    return VerdictRecord(**values)


@pytest.mark.parametrize(
    "params",
    [{"a": float("nan")}, {"a": [float("inf")]}, {"a": "\ud800"}, {"a": object()}, {"a": "x" * (9 << 20)}],
)
def test_what_cannot_be_written(params: dict[str, object]) -> None:
    with pytest.raises(LedgerError, match="cannot be written"):
        encode(record(params=params))


def test_words_for_infinity_are_fine_as_text() -> None:
    line = encode(record(reason="NaN and Infinity"))
    assert read(line).reason == "NaN and Infinity"  # type: ignore[union-attr]


GOOD = encode(record())


@pytest.mark.parametrize(
    "line",
    [
        "",
        "null",
        "[]",
        "{}",
        GOOD[:-1],
        GOOD + " ",
        " " + GOOD,
        GOOD.replace('"r"', '"\u00e9"'),
        "[" * 100_000,
        GOOD.replace('"seed":0', '"seed":NaN'),
        GOOD.replace('"params":{}', '"params":{"a":Infinity}'),
        GOOD.replace('"seed":0', '"seed":0,"seed":0'),
        GOOD.replace('"seed":0', '"unknown":1'),
        GOOD.replace('"seed":0', '"seed":"' + "9" * 5000 + '"'),
        GOOD.replace('"kind":"verdict"', '"kind":"other"'),
        canonical(dict(reversed(json.loads(GOOD).items()))).replace('"at"', '"zz"'),
        GOOD.replace('"value":null', '"value":1e999'),
    ],
)
def test_what_is_no_record(line: str) -> None:
    with pytest.raises(ValueError):
        decode(line)


@pytest.mark.parametrize(
    "line", ["", "{}", GOOD.replace('"params":{}', '"params":{"a":NaN}'), GOOD[:-1], "[" * 100_000]
)
def test_what_is_not_read_either(line: str) -> None:
    with pytest.raises(ValueError):
        read(line)


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_or_read(data: bytes) -> None:
    with pytest.raises(ValueError):
        read(line_of(data))
