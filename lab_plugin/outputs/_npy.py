"""Arrays in numpy's format: checked and copied piece by piece, without numpy."""

from __future__ import annotations

import array
import math
import mmap
import sys
from collections.abc import Iterator, Mapping
from typing import BinaryIO, Literal

from lab_plugin.config import NpySchema
from lab_plugin.outputs._fault import OutputFault
from lab_plugin.outputs._npy_header import Header, canonical_header, read_header
from lab_plugin.outputs._sizes import Sizes

_PIECE = 1 << 20
_Unit = Literal["B", "H", "I", "Q"]
_UNITS: Mapping[int, _Unit] = {1: "B", 2: "H", 4: "I", 8: "Q"}
_REAL_BYTES = {"float16": 2, "float32": 4, "float64": 8, "complex64": 4, "complex128": 8}
_SUSPECT = {2: bytes((*range(0x7C, 0x80), *range(0xFC, 0x100))), 4: b"\x7f\xff", 8: b"\x7f\xff"}
_HARMLESS = {size: bytes(set(range(256)) - set(suspect)) for size, suspect in _SUSPECT.items()}


def copy_npy(
    schema: NpySchema, name: str, source: BinaryIO, size: int, target: BinaryIO, sizes: Sizes
) -> None:
    """Check an array, and write it little-endian and in C order under a fresh header.

    Args:
        schema: What it must be.
        name: The output's name.
        source: At its start.
        size: Of the source, in bytes.
        target: Takes the copy.
        sizes: What the names of dimensions stand for.

    Raises:
        OutputFault: It is something else.
    """
    header = read_header(source)
    _check_header(schema, name, header, size, sizes)
    target.write(canonical_header(header.dtype, header.shape))
    for piece in _in_c_order(source, header):
        if header.swapped:
            piece = _swapped(piece, header)
        if header.dtype == "bool" and piece.translate(None, b"\0\1"):
            raise OutputFault("holds a bool that is neither 0 nor 1")
        if schema.finite and header.dtype in _REAL_BYTES and not _all_finite(piece, header.dtype):
            raise OutputFault("holds a number that is not finite")
        target.write(piece)


def _check_header(schema: NpySchema, name: str, header: Header, size: int, sizes: Sizes) -> None:
    if header.dtype != schema.dtype:
        raise OutputFault(f"has the dtype {header.dtype}, not {schema.dtype}")
    if len(header.shape) != len(schema.shape):
        raise OutputFault(f"has {len(header.shape)} dimensions, not {len(schema.shape)}")
    for axis, (wanted, found) in enumerate(zip(schema.shape, header.shape, strict=True)):
        sizes.require(wanted, found, f"dimension {axis}", name)
    expected = math.prod(header.shape) * header.item_bytes
    if size - header.offset != expected:
        raise OutputFault(f"has {size - header.offset:,} bytes of numbers; its shape needs {expected:,}")


def _in_c_order(source: BinaryIO, header: Header) -> Iterator[bytes]:
    extents = [extent for extent in header.shape if extent != 1]
    if not header.fortran or len(extents) < 2:
        while piece := source.read(_PIECE):
            yield piece
    elif len(extents) == 2:
        if math.prod(extents):
            with mmap.mmap(source.fileno(), 0, prot=mmap.PROT_READ) as mapped:
                yield from _transposed(mapped, header, *extents)
    else:
        raise OutputFault("is in Fortran order with more than 2 dimensions; save it in C order")


def _transposed(mapped: mmap.mmap, header: Header, rows: int, columns: int) -> Iterator[bytes]:
    """The rows of a matrix that lies column by column; whichever way takes fewer slices of memory."""
    unit_bytes = min(header.item_bytes, 8)
    units = header.item_bytes // unit_bytes
    unit = _UNITS[unit_bytes]
    with memoryview(mapped) as whole, whole[header.offset :].cast(unit) as view:
        if columns * columns * header.item_bytes <= _PIECE:
            yield from _by_columns(view, unit, rows, columns, units)
        else:
            yield from _by_rows(view, unit, rows, columns, units)


def _by_columns(view: memoryview[int], unit: _Unit, rows: int, columns: int, units: int) -> Iterator[bytes]:
    """Many rows at once: each column of the block is one slice."""
    step = max(1, _PIECE // (columns * units * view.itemsize))
    for first in range(0, rows, step):
        count = min(step, rows - first)
        block = memoryview(bytearray(count * columns * units * view.itemsize)).cast(unit)
        for column in range(columns):
            begin = units * (column * rows + first)
            for part in range(units):
                block[units * column + part :: units * columns] = view[
                    begin + part : begin + units * count : units
                ]
        yield block.tobytes()


def _by_rows(view: memoryview[int], unit: _Unit, rows: int, columns: int, units: int) -> Iterator[bytes]:
    """One row, or a part of it, at once: its numbers are one slice."""
    step = max(1, _PIECE // (units * view.itemsize))
    for row in range(rows):
        for first in range(0, columns, step):
            last = min(first + step, columns)
            block = memoryview(bytearray((last - first) * units * view.itemsize)).cast(unit)
            for part in range(units):
                begin, end = units * (row + first * rows) + part, units * (row + (last - 1) * rows) + part + 1
                block[part::units] = view[begin : end : units * rows]
            yield block.tobytes()


def _swapped(piece: bytes, header: Header) -> bytes:
    real = _REAL_BYTES.get(header.dtype, header.item_bytes)
    numbers = array.array(_UNITS[real], piece)
    numbers.byteswap()
    return numbers.tobytes()


def _all_finite(piece: bytes, dtype: str) -> bool:
    """Whether all of some little-endian numbers are finite; the high bytes acquit nearly all of them."""
    size = _REAL_BYTES[dtype]
    if not piece[size - 1 :: size].translate(None, _HARMLESS[size]):
        return True
    if size == 2:
        # Five bits of exponent lie in the high byte alone.
        return False
    numbers = array.array("d" if size == 8 else "f", piece)
    if sys.byteorder == "big":
        numbers.byteswap()
    return all(map(math.isfinite, numbers))
