"""Results as files."""

import csv
import io
import json
import subprocess
from pathlib import Path

import pytest

from lab_plugin.errors import ExportError
from lab_plugin.exporting import put_in_place, render
from lab_plugin.exporting._cells import cell, text_cell
from lab_plugin.importing import Wish, import_history, imported_document
from lab_plugin.lab import Lab
from lab_plugin.summary import results_document
from tests.program import LAB


def test_json_is_what_the_lab_prints(folder: Path, lab: Lab) -> None:
    printed = subprocess.run([LAB, "results", "--json"], cwd=folder, capture_output=True, check=True).stdout
    assert render(lab, "json") == printed
    assert json.loads(printed) == results_document(lab)


@pytest.mark.parametrize("form", ["tsv", "csv"])
def test_tables_hold_what_the_lab_prints(lab: Lab, form: str) -> None:
    document = results_document(lab)
    text = render(lab, form).decode()  # type: ignore[arg-type]
    lines = [line.split("\t") for line in text.splitlines()]
    rows = list(csv.reader(io.StringIO(text))) if form == "csv" else lines
    assert rows[0][:5] == ["commit", "value", "memory_gb", "status", "description"]
    table = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
    assert (table[0]["number"], table[0]["status"], table[0]["description"]) == ("0", "keep", "baseline")
    for row, idea in zip(table[1:], document["ideas"], strict=True):
        assert float(row["value"]) == idea["value"]
        assert (row["commit"], int(row["number"]), row["verdict"]) == (
            idea["commit"],
            idea["number"],
            idea["verdict"],
        )
        assert json.loads(row["params"]) == idea["params"]
        assert row["status"] == ("keep" if idea["verdict"] == "kept" else "discard")
    assert render(lab, form) == text.encode()  # type: ignore[arg-type]


def test_an_exported_table_can_be_imported(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "results.tsv").write_bytes(render(lab, "tsv"))
    report = import_history(lab, Wish(where=str(tmp_path / "results.tsv")))
    ideas = results_document(lab)["ideas"]
    assert (report.rows, report.told, report.bad) == (len(ideas) + 1, len(ideas), ())
    _, *rows = imported_document(lab)["imported"][0]["rows"]
    assert [row["value"] for row in rows] == [idea["value"] for idea in ideas]
    assert [row["params"] for row in rows] == [idea["params"] for idea in ideas]


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\uff1d", "\uff0d", "\t=", "\r\n@", "\x1b[0m="])
def test_no_text_is_a_formula_and_every_cell_is_one_line(sign: str) -> None:
    made = text_cell(f"{sign}cmd|' /C calc'!A0\nmore\tand")
    assert made.startswith("'")
    assert not set("\n\r\t") & set(made)


def test_numbers_stay_numbers() -> None:
    assert [cell(-0.1), cell(None), cell(True), cell(3), cell("-")] == ["-0.1", "", "true", "3", "'-"]


def test_a_file_that_is_there_is_replaced_only_when_that_is_said(tmp_path: Path) -> None:
    target = tmp_path / "results.tsv"
    target.write_text("mine")
    with pytest.raises(ExportError, match="there already"):
        put_in_place(target, io.BytesIO(b"ours"), replace=False)
    assert target.read_text() == "mine"
    put_in_place(target, io.BytesIO(b"ours"), replace=True)
    assert target.read_text() == "ours"
    with pytest.raises(ExportError):
        put_in_place(tmp_path / "none" / "r.tsv", io.BytesIO(b""), replace=False)
    assert [path.name for path in tmp_path.iterdir()] == ["results.tsv"]
