"""What all blocks of the lab have in common."""

from __future__ import annotations

from typing import Any

from prefect.blocks.core import Block
from prefect.client.schemas.objects import BlockType
from pydantic import BaseModel, HttpUrl, model_validator

from lab_plugin.blocks._logos import logo_url

DOCUMENTATION = HttpUrl("https://docs.prefect.io/v3/concepts/blocks")
"""Shown as a link; Prefect takes web addresses only, here and for logos."""


class Described(BaseModel):
    """Mixed into every block of the lab, before Prefect's own base."""

    @classmethod
    def __dispatch_key__(cls) -> str:
        """What Prefect finds the class by: the same as its own, which makes two whole schemas for it."""
        assert issubclass(cls, Block)
        return cls.get_block_type_slug()

    @classmethod
    def _to_block_type(cls) -> BlockType:
        """What an API is told of the type, with the logo where one is served."""
        told: BlockType = super()._to_block_type()  # type: ignore[misc]
        return told.model_copy(update={"logo_url": logo_url(told.slug)})

    @model_validator(mode="before")
    @classmethod
    def _leave_out_nulls(cls, values: Any) -> Any:
        # A form may send null for a field that was emptied.
        if not isinstance(values, dict):
            return values
        return {name: value for name, value in values.items() if value is not None}


class GivesSettings(Described):
    """A block that a table of `lab.toml` can name: `block = "TYPE/NAME"`."""

    def settings(self) -> dict[str, Any]:
        """The keys that it gives, as plain JSON values; those that are left empty are not among them."""
        raise NotImplementedError

    def secrets(self) -> dict[str, str]:
        """What of it is secret: never in a file, a log or a sandbox."""
        return {}


def filled(**values: Any) -> dict[str, Any]:
    """The values that are given: neither None nor empty."""
    return {name: value for name, value in values.items() if value not in (None, "", [])}
