"""The head of a `.npy` file, read by a grammar of its own: numpy evaluates it, and takes pickled objects.

The format is numpy's NEP 1: a magic number, a version, a length, and a Python dict as text.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import BinaryIO

from lab_plugin.outputs._fault import OutputFault, shown

CODES = {
    "bool": "b1",
    "int8": "i1",
    "int16": "i2",
    "int32": "i4",
    "int64": "i8",
    "uint8": "u1",
    "uint16": "u2",
    "uint32": "u4",
    "uint64": "u8",
    "float16": "f2",
    "float32": "f4",
    "float64": "f8",
    "complex64": "c8",
    "complex128": "c16",
}
_NAMES = {code: name for name, code in CODES.items()}
_MAGIC = b"\x93NUMPY"
_LONGEST = 10_000
_ALIGNMENT = 64
_DICT = re.compile(
    rb"\{ *'descr': *'([<>|])([biufc][0-9]{1,2})', *'fortran_order': *(True|False), *"
    rb"'shape': *\(([0-9, ]*)\),? *\} *\n"
)
_OBJECT = re.compile(rb"'[<>|=]?O[0-9]*'")


@dataclass(frozen=True)
class Header:
    """What a `.npy` file says of itself.

    Attributes:
        dtype: Name, `float64`.
        swapped: The numbers are big-endian.
        fortran: The first index runs fastest.
        shape: Size of each dimension.
        offset: Where the numbers begin, in bytes.
    """

    dtype: str
    swapped: bool
    fortran: bool
    shape: tuple[int, ...]
    offset: int

    @property
    def item_bytes(self) -> int:
        """Bytes of one number."""
        return int(CODES[self.dtype][1:])


def read_header(stream: BinaryIO) -> Header:
    """Read the head; the stream stands at the first number afterwards.

    Raises:
        OutputFault: It is not that of a plain array of numbers.
    """
    start = stream.read(8)
    if len(start) < 8 or start[:6] != _MAGIC:
        raise OutputFault("is no .npy file")
    version = (start[6], start[7])
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise OutputFault(f"has .npy version {version[0]}.{version[1]}; 1.0, 2.0 and 3.0 are known")
    form = "<H" if version == (1, 0) else "<I"
    field = stream.read(struct.calcsize(form))
    if len(field) < struct.calcsize(form):
        raise OutputFault("ends within its header")
    (length,) = struct.unpack(form, field)
    if length > _LONGEST:
        raise OutputFault(f"has a header of {length:,} bytes, more than {_LONGEST:,}")
    text = stream.read(length)
    if len(text) < length:
        raise OutputFault("ends within its header")
    return _parse(text, 8 + len(field) + length)


def canonical_header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """The head of version 1.0 for little-endian numbers in C order, padded to 64 bytes as numpy does it."""
    order = "|" if CODES[dtype].endswith("1") else "<"
    sizes = f"{shape[0]}," if len(shape) == 1 else ", ".join(map(str, shape))
    text = f"{{'descr': '{order}{CODES[dtype]}', 'fortran_order': False, 'shape': ({sizes}), }}"
    length = len(_MAGIC) + 4 + len(text) + 1
    padded = text + " " * (-length % _ALIGNMENT) + "\n"
    return _MAGIC + bytes((1, 0)) + struct.pack("<H", len(padded)) + padded.encode("ascii")


def _parse(text: bytes, offset: int) -> Header:
    match = _DICT.fullmatch(text)
    if match is None:
        if _OBJECT.search(text):
            raise OutputFault("holds Python objects, which are never taken")
        raise OutputFault(f"has no header of a plain array of numbers: {shown(text.decode('latin-1'))}")
    order, code, fortran, sizes = (part.decode("ascii") for part in match.groups())
    name = _NAMES.get(code)
    if name is None or (order == "|") != code.endswith("1"):
        raise OutputFault(f"has the dtype {shown(order + code)}, which is never taken")
    return Header(name, order == ">", fortran == "True", _shape(sizes), offset)


def _shape(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    closed = parts[-1] == ""
    if closed:
        parts.pop()
    if not all(re.fullmatch(r"[0-9]{1,13}", part) for part in parts) or (len(parts) == 1 and not closed):
        raise OutputFault(f"has the shape ({shown(text)}), which cannot be read")
    return tuple(int(part) for part in parts)
