"""The file: a statement as it is, or signed in an envelope; read as bytes that anybody may have written."""

from __future__ import annotations

import base64
import binascii
import json
import math
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from lab_plugin.attestation._statement import PREDICATE, STATEMENT, Statement
from lab_plugin.errors import AttestationError
from lab_plugin.repeated_keys import repeated_key
from lab_plugin.signing import Signer

LARGEST = 16 << 20
PAYLOAD_TYPE = "application/vnd.in-toto+json"
_ENVELOPE = {"payload", "payloadType", "signatures"}
_SHOWN = 5


@dataclass(frozen=True)
class Attestation:
    """A file that is an attestation by its form; nothing is proved yet.

    Attributes:
        statement: What it says.
        payload: The statement's bytes.
        signature: Armored; "" for none.
    """

    statement: Statement
    payload: bytes
    signature: str = ""

    @property
    def signed_bytes(self) -> bytes:
        """What the signature was made of."""
        return signed_bytes(self.payload)


def signed_bytes(payload: bytes) -> bytes:
    """The bytes that DSSE signs: type and payload with their lengths, so that neither passes as the other."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def seal(payload: bytes, signer: Signer) -> bytes:
    """A signed envelope of the form of DSSE.

    Raises:
        SigningError: It cannot be signed.
    """
    signature = base64.b64encode(signer.sign(signed_bytes(payload)).encode("ascii")).decode("ascii")
    envelope = {
        "payload": base64.b64encode(payload).decode("ascii"),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"sig": signature}],
    }
    return (json.dumps(envelope, indent=2, sort_keys=True) + "\n").encode("ascii")


def read_attestation(path: Path) -> Attestation:
    """Read a file.

    Raises:
        AttestationError: It cannot be read, or is no attestation.
    """
    try:
        # A FIFO in its place must not block.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise AttestationError(f"{path} is no regular file.", "Name a file that `lab attest` wrote.")
            data = stream.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise AttestationError(
            f"{path} cannot be read: {reason}.", "Name a file that `lab attest` or `lab export` wrote."
        ) from error
    return parse_attestation(data, str(path))


def parse_attestation(data: bytes, name: str) -> Attestation:
    """Read bytes.

    Args:
        data: What is read; at most 16 MiB.
        name: Of the file, for messages.

    Raises:
        AttestationError: They are no attestation of this version; the message says why.
    """
    document = _json(data, name)
    if "payload" not in document:
        return Attestation(_statement(document, data, name), data)
    if document.keys() != _ENVELOPE or document["payloadType"] != PAYLOAD_TYPE:
        raise _refused(name, f"an envelope has exactly {sorted(_ENVELOPE)}, of the type {PAYLOAD_TYPE}")
    payload = _decoded(document["payload"], name, "payload")
    signature = _decoded(_signature(document["signatures"], name), name, "signature")
    if not signature.isascii():
        raise _refused(name, "its signature is not armored")
    inner = f"{name}, payload"
    return Attestation(_statement(_json(payload, inner), payload, inner), payload, signature.decode("ascii"))


def _statement(document: dict[str, Any], data: bytes, name: str) -> Statement:
    form, predicate = document.get("_type"), document.get("predicateType")
    if form != STATEMENT:
        raise _refused(name, f"its _type is {_cut(form)}, not {STATEMENT}")
    if predicate != PREDICATE:
        raise AttestationError(
            f"{name} is an attestation of the type {_cut(predicate)}; this version reads {PREDICATE}.",
            "Check it with the version of prefect-lab that wrote it.",
        )
    try:
        return Statement.model_validate_json(data)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        lines = [f"{'.'.join(map(str, item['loc']))[:200]}: {item['msg']}" for item in found[:_SHOWN]]
        more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise _refused(name, "; ".join(lines) + more) from None


def _signature(value: Any, name: str) -> Any:
    if not isinstance(value, list) or len(value) != 1 or not isinstance(value[0], dict):
        raise _refused(name, "an envelope has exactly one signature")
    if value[0].keys() != {"sig"}:
        raise _refused(name, "a signature has exactly the key 'sig'")
    return value[0]["sig"]


def _decoded(value: Any, name: str, what: str) -> bytes:
    if isinstance(value, str):
        try:
            return base64.b64decode(value.encode("ascii"), validate=True)
        except (binascii.Error, ValueError):
            pass
    raise _refused(name, f"its {what} is not base64")


def _json(data: bytes, name: str) -> dict[str, Any]:
    if len(data) > LARGEST:
        raise _refused(name, f"it is larger than {LARGEST >> 20} MiB")
    try:
        document = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
    except RecursionError:
        raise _refused(name, "it is nested too deeply") from None
    except ValueError as error:
        raise _refused(name, f"it is not JSON: {str(error)[:200]}") from None
    if not isinstance(document, dict):
        raise _refused(name, "it is not a JSON object")
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if (twice := repeated_key(pairs)) is not None:
        raise ValueError(f"the key {_cut(twice)} stands twice in one object")
    return dict(pairs)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}, which is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        _no_constant(text[:20])
    return number


def _cut(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}..."


def _refused(name: str, why: str) -> AttestationError:
    return AttestationError(
        f"{name} is no attestation: {why}.", "Name a file that `lab attest` wrote, unedited."
    )
