"""Tables and JSON lines, as other systems write them, and as nobody should."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab_plugin.errors import ImportingError
from lab_plugin.importing import BadRow, Row, imported_document
from lab_plugin.importing._files import read_rows_of_objects, read_rows_of_table
from lab_plugin.importing._mapping import Mapper
from lab_plugin.importing._reading import Reading
from lab_plugin.lab import Lab
from lab_plugin.ledger import canonical
from tests.history.conftest import Import

AUTORESEARCH = (
    "commit\tvalue\tmemory_gb\tstatus\tdescription\n"
    "0123abc\t0.997900\t44.0\tkeep\tbaseline\n"
    '4567def\t0.993200\t44.2\tdiscard\t"wider" MLP, 2x\n'
    "89abcde\t0.000000\t0.0\tcrash\tdouble depth (OOM)\n"
)


def _rows(lab: Lab) -> list[dict[str, object]]:
    return [row for source in imported_document(lab)["imported"] for row in source["rows"]]


def test_a_table_of_another_system_is_taken_as_it_is(tmp_path: Path, take: Import, lab: Lab) -> None:
    (tmp_path / "results.tsv").write_text(AUTORESEARCH)
    report = take(tmp_path / "results.tsv")
    assert (report.rows, report.valued, report.fitting) == (3, 2, 0)
    first, second, crashed = _rows(lab)
    assert (first["commit"], first["value"], first["status"]) == ("0123abc", 0.9979, "keep")
    assert (second["title"], second["metrics"]) == ('"wider" MLP, 2x', {"memory_gb": 44.2})
    # A zero that stands for a crash would be the best value of all.
    assert (crashed["value"], crashed["status"], crashed["metrics"]) == (None, "crash", {})


def test_quoted_cells_json_in_cells_and_rows_of_several_lines_are_read(
    tmp_path: Path, take: Import, lab: Lab
) -> None:
    (tmp_path / "results.tsv").write_bytes(
        b"\xef\xbb\xbfexperiment_id\ttimestamp\tscore\tmetrics\tkept\tcommit_sha\tnotes\r\n"
        b'exp_001\t2026-01-01\t0.5\t"{""recall"": 0.25}"\tyes\treverted\t"one\r\ntwo ""three"""\r\n'
        b"exp_002\t2026-01-01\t0.7\t{}\tno\tunknown\tplain\r\n"
    )
    take(tmp_path / "results.tsv", metric="score")
    first, second = _rows(lab)
    assert (first["name"], first["title"], first["metrics"]) == (
        "exp_001",
        'one two "three"',
        {"recall": 0.25},
    )
    assert (first["status"], first["commit"], second["status"], second["line"]) == ("keep", "", "discard", 4)


def test_json_lines_give_parameters_by_name_and_by_table(tmp_path: Path, take: Import, lab: Lab) -> None:
    rows = [
        {"tag": "a", "value": 3.5, "x": 1, "y": 2.5, "notes": "n", "rmse": 1.5},
        {"tag": "b", "value": None, "params": {"x": 0.5, "y": 9.0}, "notes": "invalid: Traceback"},
        {"tag": "c", "metrics": {"value": 1}, "params": {"x": 0.5, "y": 0.5, "z": 1}},
    ]
    (tmp_path / "results.jsonl").write_text("".join(json.dumps(row) + "\n\n" for row in rows))
    report = take(tmp_path / "results.jsonl")
    # y is out of its range, and z is no parameter of this space.
    assert (report.rows, report.valued, report.fitting, report.elsewhere, report.told) == (3, 2, 1, 2, 1)
    assert [row["value"] for row in _rows(lab)] == [3.5, None, 1.0]


def test_every_bad_row_is_named_by_its_line_and_nothing_is_imported(
    tmp_path: Path, take: Import, lab: Lab
) -> None:
    lines = [
        '{"value": 1.5, "title": "good"}',
        '{"value": NaN, "title": "t"}',
        '{"value": 1, "value": 0, "title": "t"}',
        '{"value": -Infinity, "title": "t"}',
        '{"value": "0.5 ", "title": "t", "params": {"x": Infinity}}',
        "[1, 2]",
        '{"value": "low", "title": "t"}',
        '{"value": true, "title": "t"}',
        "{" * 5000,
        '{"value": 1e999, "title": "t"}',
    ]
    path = tmp_path / "results.jsonl"
    path.write_bytes("\n".join(lines).encode() + b'\n{"value": 1, "title": "\xff"}\n{"title": "\0"}\n')
    before = lab.ledger.head()
    with pytest.raises(ImportingError) as caught:
        take(path)
    assert lab.ledger.head() == before
    for number in range(2, 13):
        assert f"line {number}: " in str(caught.value)
    assert "the key 'value' stands in it twice" in str(caught.value)
    told = take(path, dry_run=True)
    assert (len(told.bad), told.rows, lab.ledger.head()) == (11, 1, before)
    report = take(path, skip_bad=True)
    assert (report.new, lab.ledger.state().imports[0].skipped) == (1, 11)


def test_a_table_with_odd_rows_names_them_and_keeps_the_others(tmp_path: Path, take: Import) -> None:
    text = AUTORESEARCH + "short\t1\n" + 'a\t1\t1\tkeep\t"never closed\n' + "fedcba9\t1.5\t1\tkeep\tlast\n"
    (tmp_path / "results.tsv").write_text(text)
    report = take(tmp_path / "results.tsv", skip_bad=True)
    assert [row.line for row in report.bad] == [5]
    assert report.rows == 5


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"commit\tval_bpb\n1234567\t1\n", "'value'"),
        (b"value\tvalue\n1\t2\n", "two columns"),
        (b"value\t\n1\t2\n", "header"),
        (b"commit\tvalue\n", "no row"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(
    tmp_path: Path, take: Import, content: bytes, said: str
) -> None:
    (tmp_path / "results.tsv").write_bytes(content)
    with pytest.raises(ImportingError, match=said):
        take(tmp_path / "results.tsv")


def test_a_source_is_no_folder_pipe_or_missing_file(tmp_path: Path, take: Import) -> None:
    os.mkfifo(tmp_path / "pipe.tsv")
    for name in ("pipe.tsv", "missing.tsv", "."):
        with pytest.raises(ImportingError):
            take(tmp_path / name)


def test_the_same_file_twice_adds_nothing_and_a_grown_one_its_new_rows(
    tmp_path: Path, take: Import, lab: Lab
) -> None:
    path = tmp_path / "results.tsv"
    path.write_text(AUTORESEARCH + AUTORESEARCH.splitlines()[1] + "\n")
    assert (take(path).new, take(path).new) == (3, 0)
    with path.open("a") as stream:
        stream.write("aaaaaaa\t0.9\t1\tdiscard\tone more\n")
    report = take(path)
    assert (report.rows, report.new, report.repeated) == (4, 1, 1)
    assert [record.rows for record in lab.ledger.state().imports] == [3, 1]


def test_values_that_were_trusted_later_stand_once(tmp_path: Path, take: Import, lab: Lab) -> None:
    (tmp_path / "results.tsv").write_text(AUTORESEARCH.replace("value", "val_bpb"))
    untrusted = take(tmp_path / "results.tsv", metric="val_bpb")
    trusted = take(tmp_path / "results.tsv", metric="val_bpb", trust=True)
    assert (untrusted.comparable, trusted.comparable, trusted.new) == (False, True, 3)
    [source] = imported_document(lab)["imported"]
    assert (source["comparable"], len(source["rows"])) == (True, 3)


def test_values_that_are_better_the_other_way_are_never_the_metric(tmp_path: Path, take: Import) -> None:
    (tmp_path / "results.tsv").write_text(AUTORESEARCH)
    with pytest.raises(ImportingError, match="higher"):
        take(tmp_path / "results.tsv", goal="maximize")
    (tmp_path / "other.tsv").write_text(AUTORESEARCH.replace("value", "accuracy"))
    with pytest.raises(ImportingError, match="higher"):
        take(tmp_path / "other.tsv", metric="accuracy", goal="maximize", trust=True)
    report = take(tmp_path / "other.tsv", metric="accuracy", goal="maximize")
    assert not report.comparable
    assert "accuracy" in report.why_untold


def test_texts_are_one_line_without_secrets(tmp_path: Path, take: Import, lab: Lab) -> None:
    secret = "ghp_" + "a" * 36
    row = {"value": 1, "title": f"\x1b[31mred\x00\n{secret}", "params": {"t": secret}}
    (tmp_path / "r.jsonl").write_text(json.dumps(row))
    take(tmp_path / "r.jsonl")
    [stored] = _rows(lab)
    assert stored["title"] == "red [redacted]"
    assert stored["params"] == {"t": "[redacted]"}


_names = st.sampled_from(["value", "title", "status", "params", "metrics", "x", "commit", "line", ""])
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=3),
    max_leaves=6,
)
_objects = st.dictionaries(_names, _values, max_size=6).map(json.dumps)
_quiet = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def _rows_of(reading: Reading) -> list[Row | BadRow]:
    found = list(reading.rows)
    assert all(isinstance(row, Row | BadRow) for row in found)
    return [row for row in found if isinstance(row, Row | BadRow)]


@_quiet
@given(lines=st.lists(_objects | st.text(max_size=30), max_size=6))
def test_whatever_stands_in_json_lines_is_a_row_or_told(lines: list[str], tmp_path: Path) -> None:
    path = tmp_path / "any.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8", errors="surrogatepass", newline="")
    rows = _rows_of(read_rows_of_objects(path, Mapper("value", {"x"})))
    written = [line for line in path.read_bytes().split(b"\n") if line.strip() or b"\0" in line]
    assert len(rows) == len([line for line in written if line.decode("utf-8", "replace").strip()])
    for row in rows:
        assert isinstance(row, BadRow) or Row.model_validate_json(canonical(row.model_dump())) == row


@_quiet
@given(text=st.text(alphabet='ab"\t\n\r,=1.e-', max_size=60), suffix=st.sampled_from([".tsv", ".csv"]))
def test_a_row_behind_whatever_stands_in_a_table_is_read(text: str, suffix: str, tmp_path: Path) -> None:
    mark = "\t" if suffix == ".tsv" else ","
    path = tmp_path / f"any{suffix}"
    path.write_text(f"value{mark}title\n{text}\n7.25{mark}last\n", newline="")
    *_, last = _rows_of(read_rows_of_table(path, Mapper("value")))
    assert isinstance(last, Row)
    assert (last.value, last.title) == (7.25, "last")


@_quiet
@given(values=st.lists(st.floats(-1e308, 1e308), min_size=1, max_size=5))
def test_values_are_read_to_the_last_bit(values: list[float], tmp_path: Path) -> None:
    path = tmp_path / "exact.tsv"
    path.write_text("value\ttitle\n" + "".join(f"{value!r}\tt\n" for value in values))
    rows = _rows_of(read_rows_of_table(path, Mapper("value")))
    assert [row.value for row in rows if isinstance(row, Row)] == values
