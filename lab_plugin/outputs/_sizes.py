"""Sizes that a schema asks for: a number, any, or a name that means the same number everywhere."""

from __future__ import annotations

from lab_plugin.config import ANY, Dimension
from lab_plugin.outputs._fault import OutputFault


class Sizes:
    """What the names stand for in the outputs of one trial, as they are met."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, str]] = {}

    def require(self, wanted: Dimension, found: int, what: str, output: str) -> None:
        """See that a size is the wanted one.

        Args:
            wanted: As in the schema.
            found: As in the output.
            what: What has that size, for the message.
            output: The output's name.

        Raises:
            OutputFault: It is another.
        """
        if wanted == ANY:
            return
        if isinstance(wanted, int):
            if found != wanted:
                raise OutputFault(f"{what} is {found}, not {wanted}")
            return
        size, where = self._known.setdefault(wanted, (found, output))
        if size != found:
            raise OutputFault(f"{what} is {found}, but {wanted!r} is {size} in {where}")
