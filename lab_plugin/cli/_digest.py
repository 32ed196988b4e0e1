"""`lab digest`: what the lab did in a day or a week."""

from __future__ import annotations

from typing import Annotated

import typer

from lab_plugin.cli._options import JsonOption, LabOption, opened, print_json, print_untrusted


def digest(
    weekly: Annotated[bool, typer.Option("--weekly", help="The last 7 days, not the last 24 hours.")] = False,
    lab: LabOption = None,
    as_json: JsonOption = False,
) -> None:
    """What was tried and kept, what it cost, what failed, and what waits for a person."""
    from lab_plugin.digest import digest_text, make_digest

    with opened(lab, reads=True) as this:
        found = make_digest(this, "weekly" if weekly else "daily")
    if as_json:
        print_json(found.document())
    else:
        print_untrusted(digest_text(found))
