"""Tables: one dialect in, one dialect out."""

import csv
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.outputs.conftest import Check

COLUMNS = {"id": "int", "p": "float", "ok": "bool", "name": "str"}
HEADER = b"id,p,ok,name\n"
CELLS = st.text(st.characters(exclude_characters="\0\r", codec="utf-8"), max_size=8)
ROWS = st.lists(
    st.tuples(
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.booleans(),
        CELLS,
    ),
    max_size=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=ROWS,
    end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)
def test_what_python_writes_comes_out_equal(rows: list[object], end: str, quoting: int, check: Check) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=end, quoting=quoting)
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    fault, copy = check(text.getvalue().encode(), type="csv", columns=COLUMNS, rows=len(rows))
    assert fault == ""
    found = list(csv.reader(io.StringIO(copy.decode(), newline=""), strict=True))
    assert found[0] == list(COLUMNS)
    assert [(int(a), float(b), c == "true", d) for a, b, c, d in found[1:]] == list(rows)
    assert check(copy, type="csv", columns=COLUMNS)[1] == copy


def test_values_are_written_in_one_form(check: Check) -> None:
    fault, copy = check(
        HEADER + b'+07,.50E0,True,"=1+1"\r\n-0,1e5,false,"a ""b"""', type="csv", columns=COLUMNS
    )
    assert fault == ""
    assert copy == HEADER + b'7,0.5,true,=1+1\n0,100000.0,false,"a ""b"""\n'


WRONG = {
    "nothing": (b"", "header"),
    "no header": (b"1,1.0,true,a\n", "header"),
    "another order": (b"p,id,ok,name\n", "header"),
    "a column twice": (b"id,p,ok,name,name\n", "header"),
    "a byte order mark": (b"\xef\xbb\xbf" + HEADER, "byte order mark"),
    "not UTF-8": (HEADER + b"1,1,true,\xff\n", "no UTF-8 in row 1"),
    "UTF-16": ("id,p,ok,name\n".encode("utf-16-le"), "NUL"),
    "a NUL": (HEADER + b"1,1,true,a\0b\n", "NUL"),
    "a lone carriage return": (HEADER + b"1,1,true,a\rb\n", "carriage return"),
    "too few cells": (HEADER + b"1,1,true\n", "3 cells in row 1, not 4"),
    "too many cells": (HEADER + b"1,1,true,a,b\n", "5 cells"),
    "an empty line": (HEADER + b"\n", "1 cells in row 1"),
    "semicolons": (HEADER + b"1;1;true;a\n", "1 cells"),
    "a quote within": (HEADER + b'1,1,true,a"b\n', "ends within the quotes"),
    "quotes within": (HEADER + b'1,1,true,a"b"\n', "quote out of place in row 1"),
    "text behind quotes": (HEADER + b'1,1,true,"a"b\n', "quote out of place"),
    "an open quote": (HEADER + b'1,1,true,"a\n', "ends within the quotes of row 1"),
    "a float for an int": (HEADER + b"1.0,1,true,a\n", "no whole number"),
    "a large int": (HEADER + b"9223372036854775808,1,true,a\n", "no whole number"),
    "digits of another script": (HEADER + "١,1,true,a\n".encode(), "no whole number"),
    "a space": (HEADER + b" 1,1,true,a\n", "no whole number"),
    "NaN": (HEADER + b"1,nan,true,a\n", "no finite number"),
    "infinite": (HEADER + b"1,1e999,true,a\n", "no finite number"),
    "an underscore": (HEADER + b"1,1_0,true,a\n", "no finite number"),
    "a formula for a number": (HEADER + b"1,=1+1,true,a\n", "no finite number"),
    "an empty number": (HEADER + b"1,,true,a\n", "no finite number"),
    "another bool": (HEADER + b"1,1,yes,a\n", "neither true nor false"),
    "a long row": (HEADER + b'1,1,true,"' + b"a" * (1 << 20) + b'"\n', "more than 1,048,576 bytes in row 1"),
    "a long line of quotes": (HEADER + b'1,1,true,"' + b'""' * (1 << 19), "more than 1,048,576"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_such_table_is_refused(name: str, check: Check) -> None:
    data, words = WRONG[name]
    assert words in check(data, type="csv", columns=COLUMNS)[0]


def test_the_number_of_rows_is_held(check: Check) -> None:
    assert check(HEADER, type="csv", columns=COLUMNS, rows=1)[0] == "the number of rows is 0, not 1"
