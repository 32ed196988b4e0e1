"""Arrays: what numpy writes comes out equal, and nothing else comes out at all."""

import io
import pickle
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab_plugin.config import NpySchema
from lab_plugin.outputs import canonical_outputs
from tests.outputs.conftest import SCHEMA, Check

DTYPES = get_args(NpySchema.model_fields["dtype"].annotation)


def saved(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def head(
    descr: str = "'<f8'", fortran: str = "False", shape: str = "(2,)", version: bytes = b"\1\0"
) -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n".encode("latin-1")
    form = "<H" if version == b"\1\0" else "<I"
    return b"\x93NUMPY" + version + struct.pack(form, len(text)) + text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    dtype=st.sampled_from(DTYPES),
    shape=st.lists(st.integers(0, 9), max_size=4),
    fortran=st.booleans(),
    swapped=st.booleans(),
    seed=st.integers(0, 99),
)
def test_what_numpy_writes_comes_out_equal(
    dtype: str, shape: list[int], fortran: bool, swapped: bool, seed: int, check: Check
) -> None:
    array = np.random.default_rng(seed).integers(0, 100, shape).astype(dtype)
    array = array.astype(array.dtype.newbyteorder(">" if swapped else "<"))
    array = np.asfortranarray(array) if fortran and shape else array
    fault, copy = check(saved(array), type="npy", dtype=dtype, shape=shape)
    if "Fortran" in fault:
        assert sum(size > 1 for size in shape) > 2
        return
    assert fault == ""
    found = np.load(io.BytesIO(copy), allow_pickle=False)
    assert (found.dtype, found.shape) == (np.dtype(dtype), tuple(shape))
    assert np.array_equal(found, array)
    # The copy is byte for byte what numpy itself writes for an array in C order.
    assert copy == saved(np.ascontiguousarray(array.astype(dtype)).reshape(shape))


@pytest.mark.parametrize("shape", [(3, 200_000), (200_000, 3), (600, 700)])
@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_a_large_matrix_is_transposed(shape: tuple[int, int], dtype: str, check: Check) -> None:
    array = np.asfortranarray(np.arange(shape[0] * shape[1], dtype=dtype).reshape(shape))
    fault, copy = check(saved(array), type="npy", dtype=dtype, shape=list(shape))
    assert fault == ""
    assert np.array_equal(np.load(io.BytesIO(copy)), array)


NUMBERS = struct.pack("<2d", 1.0, 2.0)
WRONG = {
    "nothing": (b"", "no .npy"),
    "a pickle": (pickle.dumps([1.0, 2.0]), "no .npy"),
    "objects": (saved(np.array([1.0, None], dtype=object)), "Python objects"),
    "objects in a record": (head("[('a', 'O')]") + NUMBERS, "Python objects|plain array"),
    "a record": (saved(np.zeros(2, dtype=[("a", "<f8")])), "plain array"),
    "texts": (saved(np.array(["a", "b"])), "plain array"),
    "dates": (saved(np.array(["2020-01-01", "2020-01-02"], dtype="M8[D]")), "plain array"),
    "another dtype": (saved(np.zeros(2, dtype="float32")), "dtype float32, not float64"),
    "another rank": (saved(np.zeros((2, 1))), "2 dimensions, not 1"),
    "another size": (saved(np.zeros(3)), "dimension 0 is 3, not 2"),
    "NaN": (saved(np.array([1.0, np.nan])), "not finite"),
    "infinite": (saved(np.array([-np.inf, 1.0])), "not finite"),
    "cut": (head() + NUMBERS[:-1], "15 bytes of numbers; its shape needs 16"),
    "more behind it": (head() + NUMBERS + b"\0", "17 bytes"),
    "version 9": (head(version=b"\x09\0") + NUMBERS, "version 9.0"),
    "a long header": (b"\x93NUMPY\2\0" + struct.pack("<I", 2**31), "2,147,483,648 bytes"),
    "a cut header": (head()[:40], "within its header"),
    "code as a header": (head("__import__('os').system('touch /tmp/pwned')") + NUMBERS, "plain array"),
    "a key twice": (b"\x93NUMPY\1\0" + struct.pack("<H", 4) + b"{}\n ", "plain array"),
    "a negative size": (head(shape="(-2,)") + NUMBERS, "plain array"),
    "a huge size": (head(shape="(99999999999999999999,)") + NUMBERS, "cannot be read"),
    "a number for a shape": (head(shape="(2)") + NUMBERS, "cannot be read"),
    "holes in a shape": (head(shape="(2,,)") + NUMBERS, "cannot be read"),
    "a native byte order": (head("'=f8'") + NUMBERS, "plain array"),
    "no such float": (head("'<f7'") + NUMBERS, "'<f7'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_such_array_is_refused(name: str, check: Check) -> None:
    data, words = WRONG[name]
    fault, _ = check(data, type="npy", dtype="float64", shape=[2])
    assert any(word in fault for word in words.split("|")), fault


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "complex128"])
def test_every_infinity_is_seen_and_no_large_number_is_taken_for_one(dtype: str, check: Check) -> None:
    largest = np.full(1000, np.finfo(dtype).max, dtype=dtype)
    rules = {"type": "npy", "dtype": dtype, "shape": ["*"]}
    assert check(saved(largest), **rules)[0] == ""
    for bad in (np.inf, -np.inf, np.nan):
        array = largest.copy()
        array[-1] = bad
        assert "not finite" in check(saved(array), **rules)[0]
        assert check(saved(array), **rules, finite=False)[0] == ""


def test_a_bool_is_0_or_1(check: Check) -> None:
    rules = {"type": "npy", "dtype": "bool", "shape": [2]}
    assert check(head("'|b1'") + b"\0\1", **rules)[0] == ""
    assert "neither 0 nor 1" in check(head("'|b1'") + b"\0\xff", **rules)[0]


def test_a_named_dimension_agrees_between_outputs(check_all: Callable[..., Any]) -> None:
    rule = {"type": "npy", "dtype": "float64", "shape": ["n", "*"]}
    table = {"type": "csv", "columns": {"id": "int"}, "rows": "n"}
    rules = {"a": rule, "b": rule, "c": table}
    files = {"a": saved(np.zeros((3, 1))), "b": saved(np.zeros((3, 9))), "c": b"id\n1\n2\n3\n"}
    assert check_all(files, rules)[0] == {}
    faults, _ = check_all({**files, "b": saved(np.zeros((4, 1))), "c": b"id\n1\n"}, rules)
    assert faults == {
        "b": "dimension 0 is 4, but 'n' is 3 in a",
        "c": "the number of rows is 1, but 'n' is 3 in a",
    }


def test_memory_does_not_grow_with_the_array(tmp_path: Path, snapshot: Path) -> None:
    array = np.asfortranarray(np.arange(8 << 20, dtype="float64").reshape(1 << 19, 16))
    np.save(tmp_path / "out", array)
    rule = SCHEMA.validate_python({"type": "npy", "dtype": "float64", "shape": ["*", 16]})
    tracemalloc.start()
    faults = canonical_outputs(
        {"out.npy": rule}, {"out.npy": tmp_path / "out.npy"}, tmp_path / "seen", snapshot
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert faults == {}
    assert peak < array.nbytes / 8
