"""Blocks that a `lab.toml` names, read from the active Prefect API."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import ObjectNotFound, PrefectException
from pydantic import ValidationError

from lab_plugin.blocks._described import Described, GivesSettings
from lab_plugin.blocks._register import BLOCKS
from lab_plugin.blocks._repository import LabRepository
from lab_plugin.errors import ApiError, ConfigError

if TYPE_CHECKING:
    from lab_plugin.block_settings import BlockSettings

B = TypeVar("B", bound=Described)


def look_up(names: Iterable[str]) -> BlockSettings:
    """Read blocks from the API that this process's Prefect points at.

    Args:
        names: `TYPE/NAME` each.

    Raises:
        ConfigError: One does not exist, is of a type that gives no settings, or is not sound; all are told.
        ApiError: The API does not answer, or refuses.
    """
    from lab_plugin.block_settings import BlockSettings

    kinds: dict[str, Any] = {
        block.get_block_type_slug(): block for block in BLOCKS if issubclass(block, GivesSettings)
    }
    found: dict[str, GivesSettings] = {}
    faults: list[str] = []
    told = "the blocks of lab.toml", " `lab status` and `lab results` work without it."
    with _asking(*told) as client:
        for name in names:
            try:
                found[name] = _read(client, name, kinds)
            except _Fault as fault:
                faults.append(str(fault))
        if faults:
            raise ConfigError(
                f"The Prefect API {client.api_url} lacks blocks that lab.toml names, or they are not sound.",
                "Create or mend them in the Prefect UI, under Blocks, or name others in lab.toml.",
                tuple(faults),
            )
    return BlockSettings(
        {name: block.settings() for name, block in found.items()},
        {name: secrets for name, block in found.items() if (secrets := block.secrets())},
    )


def look_up_repository(name: str) -> LabRepository:
    """Read the block of a repository from the API that this process's Prefect points at.

    Args:
        name: `TYPE/NAME`.

    Raises:
        ConfigError: It does not exist, is of another type, or is not sound.
        ApiError: The API does not answer, or refuses.
    """
    kinds = {LabRepository.get_block_type_slug(): LabRepository}
    with _asking(f"the block {name}") as client:
        try:
            block = _read(client, name, kinds)
        except _Fault as fault:
            raise ConfigError(
                f"The Prefect API {client.api_url} has no repository of that name: {fault}.",
                "Create or mend it in the Prefect UI, under Blocks, or give a URL or an existing path.",
            ) from None
    # As its own `load` does: what refers to the block names it.
    block._block_document_name = name.partition("/")[2]
    return block


@contextmanager
def _asking(what: str, further: str = "") -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        try:
            yield client
        except (httpx.HTTPError, PrefectException) as error:
            raise ApiError(
                f"The Prefect API {client.api_url} does not tell {what}: {type(error).__name__}: {error}",
                f"See that it runs and that your profile may read it: `prefect block ls`.{further}",
            ) from error


class _Fault(Exception):
    """One block cannot be used; the text says why."""


def _read(client: SyncPrefectClient, name: str, kinds: Mapping[str, type[B]]) -> B:
    slug, _, document = name.partition("/")
    if slug not in kinds:
        known = f"there are {', '.join(kinds)}" if len(kinds) > 1 else f"there is {next(iter(kinds))}"
        raise _Fault(f"{name}: there is no type {slug!r} that a lab can name; {known}")
    try:
        data = client.read_block_document_by_name(document, slug).data
    except ObjectNotFound:
        raise _Fault(f"{name}: there is no such block{_hint(client, slug, document)}") from None
    return _valid(name, kinds[slug], data)


def _hint(client: SyncPrefectClient, slug: str, document: str) -> str:
    try:
        client.read_block_type_by_slug(slug)
    except ObjectNotFound:
        return f"; the API does not know the type yet: `prefect block register -m {__package__}`"
    found = client.read_block_documents_by_type(slug, include_secrets=False)
    names = sorted(block.name for block in found if block.name)
    if near := difflib.get_close_matches(document, names, 1):
        return f"; did you mean {slug}/{near[0]}?"
    return f"; of this type there are {', '.join(names[:20])}" if names else "; there is none of this type"


def _valid(name: str, kind: type[B], data: dict[str, Any]) -> B:
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        # Its own text could quote a secret.
        told = "; ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_input=False, include_context=False)
        )
        raise _Fault(f"{name}: {told}") from None
