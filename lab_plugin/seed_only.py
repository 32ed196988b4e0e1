"""Changes that only try another seed: luck that looks like an idea."""

from __future__ import annotations

import re

from lab_plugin.repository import Change, Repository

_SEED = re.compile(
    r"""(\w*(?:seed|random_state|default_rng|RandomState)\w*["']?\s*(?::\s*int\s*)?[:=(]\s*)[-+]?[0-9][0-9_]*"""
    r"""(?![0-9_.eE])""",
    re.IGNORECASE,
)

_FILES = (0o100644, 0o100755)
_LARGEST = 1 << 20
"""Bytes of a file in which seeds are looked for."""


def is_seed_only(repository: Repository, before: str, after: str) -> bool:
    """Whether all that a change does is to write other numbers behind names of seeds.

    It knows numbers that are given, assigned or passed to a name with `seed`, `random_state`, `default_rng`
    or `RandomState` in it. Whoever hides a seed better gets one more try at the campaign's error.

    Args:
        repository: Of both.
        before: Tree.
        after: Tree.
    """
    changes = repository.changes(before, after)
    return bool(changes) and all(_is_seed_only(repository, change) for change in changes)


def _is_seed_only(repository: Repository, change: Change) -> bool:
    sides = (change.before, change.after)
    if change.before is None or change.after is None or change.before.mode != change.after.mode:
        return False
    if change.after.mode not in _FILES:
        return False
    texts: list[str] = []
    for side in sides:
        assert side is not None
        if repository.blob_size(side.oid) > _LARGEST:
            return False
        texts.append(repository.read_blob(side.oid).decode("utf-8", "surrogateescape"))
    # Bytes that differ are there already; what is left without the numbers of seeds says whether others do.
    return _SEED.sub(r"\1", texts[0]) == _SEED.sub(r"\1", texts[1])
