"""The queue's wishes as a Prefect variable, which the Prefect UI can edit.

While a campaign runs, the variable shows what is wished, and what is changed there is wished from then on.
git stays the truth: a variable that cannot be read changes nothing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import VariableCreate, VariableUpdate

from lab_plugin.lab import Lab
from lab_plugin.queue import Wishes, WishStore

_log = logging.getLogger("prefect.lab")


class QueueVariable:
    """Keeps a lab's variable and its wishes alike.

    Args:
        lab: The lab.

    Attributes:
        name: Of the variable.
    """

    def __init__(self, lab: Lab) -> None:
        self.name = f"lab_{lab.name.replace('-', '_')}_{lab.key}"
        self._store = WishStore(lab.repository, lab.queue_ref)
        self._shown: dict[str, Any] | None = None
        self._refused: object = None

    async def look(self, client: PrefectClient, wishes: Wishes) -> None:
        """Take in what was changed in the UI, or show what is wished.

        Args:
            client: Talks with the API.
            wishes: As the campaign knows them.
        """
        found = await client.read_variable_by_name(self.name)
        wished = _document(wishes)
        if found is None:
            await client.create_variable(VariableCreate(name=self.name, value=wished, tags=["lab"]))
            self._shown = wished
        elif self._shown is not None and found.value != self._shown:
            self._take_in(found.value)
        elif wished != self._shown:
            await client.update_variable(VariableUpdate(name=self.name, value=wished))
            self._shown = wished

    async def remove(self, client: PrefectClient) -> None:
        """Take the variable away: nobody follows it any more."""
        if await client.read_variable_by_name(self.name) is not None:
            await client.delete_variable_by_name(self.name)

    def _take_in(self, value: Any) -> None:
        if value == self._refused:
            return
        try:
            edited = Wishes.decode(json.dumps(value).encode())
        except ValueError as error:
            self._refused = value
            _log.warning("The variable %s is not followed: %s", self.name, error)
            return
        self._store.change(lambda before: replace(edited, added=before.added))
        self._shown = value


def _document(wishes: Wishes) -> dict[str, Any]:
    """What the UI shows: all that an owner may change."""
    document: Mapping[str, Any] = json.loads(wishes.encode())
    return {key: value for key, value in document.items() if key != "added"}
