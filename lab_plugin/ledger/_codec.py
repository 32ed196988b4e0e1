"""Records as commit messages: a subject for people, one line of canonical JSON for programs."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any, NoReturn

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from lab_plugin.errors import LedgerError
from lab_plugin.ledger._records import (
    CampaignRecord,
    ConfirmationRecord,
    ImportRecord,
    LockRecord,
    Record,
    TierRecord,
    VerdictRecord,
)

LARGEST = 8 << 20
_ADAPTER: TypeAdapter[Record] = TypeAdapter(Record)
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
_SUBJECT = 100
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")


def encode(record: Record) -> str:
    """One ASCII line: keys sorted, no spaces, finite numbers only.

    Raises:
        LedgerError: The record holds what JSON cannot (NaN in parameters, a huge text, half a character).
    """
    try:
        line = canonical(_ADAPTER.dump_python(record))
        decode(line)
    except (ValueError, TypeError, RecursionError) as error:
        raise LedgerError(f"A {record.kind} record cannot be written: {error}.") from error
    return line


def decode(line: str) -> Record:
    """Read a line back, and prove that it is the canonical one.

    Raises:
        ValueError: It is not canonical JSON of a record; the message says why.
    """
    record = read(line)
    try:
        if canonical(from_json(line, allow_inf_nan=False)) != line:
            raise ValueError("it is not canonical JSON")
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return record


def read(line: str) -> Record:
    """Read a line back quickly: any JSON of a record will do, as long as its numbers are finite.

    Raises:
        ValueError: It is not JSON of a record; the message says why.
    """
    if len(line) > LARGEST:
        raise ValueError(f"it has {len(line)} characters, more than {LARGEST}")
    if "NaN" in line or "Infinity" in line:
        # They may stand in a text; as numbers this raises.
        _DECODER.decode(line)
    try:
        return _ADAPTER.validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{where or 'record'}: {first['msg']}") from error


def canonical(data: Any) -> str:
    """The one JSON text of a value."""
    return _ENCODER.encode(data)


def to_message(record: Record) -> str:
    """The commit message of a record."""
    return f"{subject(record)}\n\n{encode(record)}\n"


def line_of(message: bytes) -> str:
    """The JSON line of a commit message.

    Raises:
        ValueError: The message is not a subject, an empty line and one line of ASCII.
    """
    subject, gap, body = message.partition(b"\n\n")
    if not gap or b"\n" in subject or not body.endswith(b"\n") or body.count(b"\n") != 1:
        raise ValueError("the message is not a subject, an empty line and one line of JSON")
    try:
        return body[:-1].decode("ascii")
    except UnicodeDecodeError as error:
        raise ValueError("its JSON is not ASCII") from error


def time_of(at: str) -> datetime | None:
    """The moment that a record names; None when it names none that is unambiguous."""
    try:
        when = datetime.fromisoformat(at)
    except ValueError:
        return None
    return when if when.tzinfo is not None else None


def subject(record: Record) -> str:
    """The first line of a record's commit message."""
    match record:
        case LockRecord():
            text = f"Lock epoch {record.epoch}: {record.metric} {record.value:.6g}"
        case CampaignRecord():
            text = f"Campaign {record.campaign} {record.event}"
        case ConfirmationRecord():
            shown = "" if record.difference is None else f": {record.difference:+.6g}"
            text = f"Confirm idea {record.champion:04d}{shown}"
        case ImportRecord():
            text = f"Import {record.rows} rows of {record.source}"
        case TierRecord():
            text = f"{record.number:04d} {record.slug}: {record.tier} {record.value:.6g}"
        case VerdictRecord():
            value = "" if record.value is None else f" {record.value:.6g}"
            text = f"{record.number:04d} {record.slug}: {record.verdict}{value}"
    return _UNPRINTABLE.sub(" ", text)[:_SUBJECT].strip()


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)
