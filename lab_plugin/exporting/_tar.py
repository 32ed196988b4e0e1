"""The container of an archive: a tar of plain files under `lab/`, in the oldest format, compressed with gzip.

Written by the standard library. Read here by hand, since that takes links, devices, sparse files and headers
of any size: the only thing that is read is what is written.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from lab_plugin.errors import ExportError

LARGEST_PART = (8 << 30) - 1
_PREFIX = "lab/"
_BLOCK = 512
_PIECE = 1 << 20
_END = 1 << 16


class Part(NamedTuple):
    """One part of a tar that is read: its name, its size, and its content in pieces, to be taken at once."""

    name: str
    size: int
    pieces: Iterator[bytes]


class Writer:
    """Writes parts, one after the other; the same parts make the same bytes.

    Args:
        target: Where to.
    """

    def __init__(self, target: BinaryIO) -> None:
        self._zip = gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=target, mtime=0)
        self._tar = tarfile.open(fileobj=self._zip, mode="w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115

    def add(self, name: str, content: bytes | BinaryIO, size: int) -> None:
        """Add a part.

        Raises:
            ExportError: It is too large for the format.
        """
        if size > LARGEST_PART:
            raise ExportError(f"The part {name} has {size >> 30} GiB, more than an archive holds.")
        info = tarfile.TarInfo(_PREFIX + name)
        info.size, info.mode = size, 0o644
        self._tar.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else content)

    def close(self) -> None:
        """Finish the file."""
        self._tar.close()
        self._zip.close()


def read_parts(source: BinaryIO) -> Iterator[Part]:
    """The parts of a tar, in their order.

    Raises:
        ExportError: It is none of ours: not whole, or with anything but plain files under `lab/`.
    """
    with gzip.GzipFile(fileobj=source, mode="rb") as stream:
        while True:
            header = _exactly(stream, _BLOCK)
            if not any(header):
                break
            name, size = _plain(header)
            pieces = _pieces(stream, size)
            yield Part(name, size, pieces)
            for _ in pieces:
                raise AssertionError("a part is taken before the next one")
            _exactly(stream, -size % _BLOCK)
        rest = _read(stream, _END + 1)
        if len(rest) > _END or any(rest):
            raise ExportError("Something stands behind its end.")


def _plain(header: bytes) -> tuple[str, int]:
    name = header[:100].rstrip(b"\0").decode("ascii", "replace")
    told = header[148:156]
    total = sum(header[:148]) + 8 * 0x20 + sum(header[156:])
    if header[257:265] != b"ustar\x0000" or _octal(told) != total:
        raise ExportError("It holds something that is no header of a plain tar.")
    if header[156:157] != b"0" or any(header[157:257]) or any(header[345:512]):
        raise ExportError(f"It holds {name[:100]!r}, which is no plain file.")
    if not name.startswith(_PREFIX) or "/" in (short := name.removeprefix(_PREFIX)) or short.startswith("."):
        raise ExportError(f"It holds a file {name[:100]!r}, where no archive has one.")
    return short, _octal(header[124:136])


def _octal(field: bytes) -> int:
    digits = field.rstrip(b"\0 ")
    if not digits or digits.strip(b"01234567"):
        raise ExportError("It holds a header with a number that is none.")
    return int(digits, 8)


def _pieces(stream: gzip.GzipFile, size: int) -> Iterator[bytes]:
    while size:
        piece = _exactly(stream, min(size, _PIECE))
        size -= len(piece)
        yield piece


def _exactly(stream: gzip.GzipFile, size: int) -> bytes:
    data = _read(stream, size)
    if len(data) != size:
        raise ExportError("It is cut off.")
    return data


def _read(stream: gzip.GzipFile, size: int) -> bytes:
    try:
        return stream.read(size)
    except (OSError, EOFError, zlib.error) as error:
        raise ExportError(f"It is damaged: {error}.") from error
