"""`[candidate.schemas]`: what a declared output must be before the scorer sees a copy of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, field_serializer

from lab_plugin.config._paths import check_path
from lab_plugin.config._space import Table, check_some
from lab_plugin.config._units import parse_size

DType = Literal[
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
]
ColumnType = Literal["int", "float", "bool", "str"]
Dimension = int | str

ANY = "*"
_SYMBOL = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
_LARGEST = 2**40
_MAX_RANK = 32


def _check_dimension(value: object) -> Dimension:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LARGEST:
        return value
    if isinstance(value, str) and (value == ANY or _SYMBOL.fullmatch(value)):
        return value
    raise ValueError('must be a whole number, "*" for any, or a name that stands for one number everywhere')


def _check_rank(shape: tuple[Dimension, ...]) -> tuple[Dimension, ...]:
    if len(shape) > _MAX_RANK:
        raise ValueError(f"an array has at most {_MAX_RANK} dimensions")
    return shape


def _check_column(name: str) -> str:
    if not name or len(name) > 250 or not name.isprintable():
        raise ValueError("a column's name has 1 to 250 printable characters")
    return name


def _check_definition(value: object) -> str | dict[str, object] | bool:
    if isinstance(value, str):
        return check_path(value)
    if isinstance(value, dict | bool):
        return value
    raise ValueError("must be the path of a scorer file, or a JSON schema as a table")


_Dimension = Annotated[Dimension, PlainValidator(_check_dimension)]
_Size = Annotated[int, BeforeValidator(parse_size), Field(ge=1, le=_LARGEST)]


class NpySchema(Table):
    """A plain array in numpy's own format.

    Attributes:
        dtype: Of its numbers, in either byte order; objects, texts and records are never taken.
        shape: One entry per dimension: its size, `"*"`, or a name that means the same size in all schemas.
        finite: Whether NaN and infinities are refused.
        max: Bytes of the file.
    """

    type: Literal["npy"]
    dtype: DType
    shape: Annotated[tuple[_Dimension, ...], Field(strict=False), AfterValidator(_check_rank)]
    finite: bool = True
    max: _Size = 1 << 30


class JsonSchema(Table):
    """A JSON document.

    Attributes:
        definition: Written `schema`: a JSON schema as a table, or the path of one of the scorer's files;
            None to take any document.
        max: Bytes of the file.
    """

    type: Literal["json"]
    definition: Annotated[str | dict[str, object] | bool | None, PlainValidator(_check_definition)] = Field(
        default=None, alias="schema"
    )
    max: _Size = 16 << 20


class CsvSchema(Table):
    """A table with a header, in UTF-8 and with commas.

    Attributes:
        columns: Name -> type of each column, in their order. Texts are data, whatever a spreadsheet would do
            with them.
        rows: How many there are without the header, `"*"`, or a name as in `NpySchema.shape`.
        max: Bytes of the file.
    """

    type: Literal["csv"]
    columns: Annotated[
        Mapping[Annotated[str, AfterValidator(_check_column)], ColumnType], AfterValidator(check_some)
    ]
    rows: _Dimension = ANY
    max: _Size = 64 << 20

    @field_serializer("columns")
    def _in_order(self, columns: Mapping[str, ColumnType]) -> list[list[str]]:
        # Their order is part of the rule, and a lock sorts the keys of a table.
        return [[name, kind] for name, kind in columns.items()]


class BytesSchema(Table):
    """Any bytes.

    Attributes:
        max: Bytes of the file.
    """

    type: Literal["bytes"]
    max: _Size


OutputSchema = Annotated[NpySchema | JsonSchema | CsvSchema | BytesSchema, Field(discriminator="type")]

BY_TYPE: dict[str, type[Table]] = {
    "npy": NpySchema,
    "json": JsonSchema,
    "csv": CsvSchema,
    "bytes": BytesSchema,
}
