"""How the lab and the first process talk: frames of a kind, a length and a payload; lists of byte strings.

To the container, on its stdin: `SETUP` once (one that is made ahead waits for it), `BEAT` every few seconds,
`STOP` to end the program early, the end of the stream, or silence, to end the container. From it, on its
stdout: `HELLO` or `BROKEN`, `OUT` and `ERROR` in any order, `REPORT`, then per declared output `REFUSED`, or
`FILE` and its `DATA`, and `END`.
"""

from __future__ import annotations

HEADER = 5
LARGEST = 1 << 16

SETUP, BEAT, STOP = b"S", b"L", b"K"
HELLO, BROKEN, OUT, ERROR, REPORT, REFUSED, FILE, DATA, END = (bytes((code,)) for code in b"HBOERXFDZ")


def frame(kind: bytes, payload: bytes = b"") -> bytes:
    """One frame."""
    return kind + len(payload).to_bytes(4, "big") + payload


def header(data: bytes) -> tuple[bytes, int]:
    """Kind and length of the payload, from a frame's first `HEADER` bytes."""
    return data[:1], int.from_bytes(data[1:HEADER], "big")


def pack(fields: list[bytes]) -> bytes:
    """Byte strings as one."""
    return b"".join(len(field).to_bytes(4, "big") + field for field in fields)


def unpack(data: bytes) -> list[bytes]:
    """The byte strings that `pack` made one of.

    Raises:
        ValueError: They were not.
    """
    fields = []
    at = 0
    while at < len(data):
        start = at + 4
        at = start + int.from_bytes(data[at:start], "big")
        if at > len(data):
            raise ValueError("a field is longer than its message")
        fields.append(data[start:at])
    return fields
