"""Changes that only try another seed: luck that looks like an idea."""

from __future__ import annotations

import re

from lab_plugin.repository import Repository

_SEED = re.compile(
    r"""(\w*(?:seed|random_state|default_rng|RandomState)\w*["']?\s*(?::\s*int\s*)?[:=(]\s*)[-+]?[0-9][0-9_]*"""
    r"""(?![0-9_.eE])""",
    re.IGNORECASE,
)


def is_seed_only(repository: Repository, before: str, after: str) -> bool:
    """Whether all that a change does is to write other numbers behind names of seeds.

    It knows numbers that are given, assigned or passed to a name with `seed`, `random_state`, `default_rng`
    or `RandomState` in it. Whoever hides a seed better gets one more try at the campaign's error.

    Args:
        repository: Of both.
        before: Commit or tree.
        after: Commit or tree.
    """
    lines = repository.diff(before, after).splitlines()
    if any(line.startswith(("new file", "deleted file", "rename ", "Binary ", "old mode")) for line in lines):
        return False
    removed, added = (_changed(lines, sign) for sign in "-+")
    bare = [[_SEED.sub(r"\1", line) for line in side] for side in (removed, added)]
    return removed != added and bare[0] == bare[1]


def _changed(lines: list[str], sign: str) -> list[str]:
    header = sign * 3 + " "
    return [line[1:] for line in lines if line.startswith(sign) and not line.startswith(header)]
