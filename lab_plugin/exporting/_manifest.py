"""What an archive holds, with the digest of each part."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lab_plugin.errors import ExportError
from lab_plugin.exporting._documents import json_bytes
from lab_plugin.strict_json import NotStrict, load_strict

MANIFEST = "manifest.json"
BUNDLE = "ledger.bundle"
PARTS = (BUNDLE, "lab.lock", "lab.toml", "records.jsonl", "results.csv", "results.json", "results.tsv")
"""All of them, in their order behind the manifest."""


class Part(BaseModel):
    """One part: its size in bytes, and its sha256 in hex."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Manifest(BaseModel):
    """The first part of an archive.

    Attributes:
        version: Of the program that wrote it.
        lab: The lab's name.
        at: Time of the newest record, UTC, ISO 8601.
        records: In the ledger.
        ledger: Its newest commit.
        refs: Full name -> object id, of all that the bundle holds.
        files: All further parts by name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal[1] = 1
    kind: Literal["archive of a lab"] = "archive of a lab"
    version: str = Field(max_length=100)
    lab: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    at: str = Field(max_length=40)
    records: int = Field(ge=1)
    ledger: str = Field(pattern=r"^[0-9a-f]{40}$")
    refs: dict[str, str]
    files: dict[str, Part]

    def to_bytes(self) -> bytes:
        """Its file."""
        return json_bytes(self.model_dump(mode="json"))

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Read it back, strictly.

        Raises:
            ExportError: It is none.
        """
        try:
            return cls.model_validate(load_strict(data.decode("utf-8")))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            why = f"{'.'.join(map(str, first['loc']))[:100]}: {first['msg']}"
        except NotStrict as error:
            why = f"it {error}"
        except (ValueError, RecursionError) as error:
            why = str(error)[:200]
        raise ExportError(f"Its {MANIFEST} cannot be read: {why}.")
