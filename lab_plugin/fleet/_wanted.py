"""What `lab deploy` is told to have cloned: an address, or a block of Prefect that holds one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

_TYPE = "lab-repository"
_BLOCK = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*/[^/]+")


@dataclass(frozen=True)
class Wanted:
    """What is to be cloned, as far as it is said.

    Attributes:
        repository: URL or path; "" for the git remote that `[lab] remote` names, else `origin`.
        branch: Its branch; "" for the one that is checked out.
        folder: The lab's folder in it; "" for the one that it has here.
        token: Lets git in by HTTP.
        token_reference: What stands for the token in a pull step.
    """

    repository: str = ""
    branch: str = ""
    folder: str = ""
    token: str = field(default="", repr=False)
    token_reference: str = ""


def wanted(repository: str, branch: str) -> Wanted:
    """What a person says.

    Args:
        repository: URL or path, or `lab-repository/NAME` of a block in the API that this process's Prefect
            points at; "" for neither.
        branch: Of it, whatever a block says; "" where nothing is said.

    Raises:
        ConfigError: There is no such block, it is of another type, or it is not sound.
        ApiError: The API does not tell the block.
    """
    if not _is_block(repository):
        return Wanted(repository, branch)
    from lab_plugin.blocks import look_up_repository

    block = look_up_repository(repository)
    folder = "" if block.folder == "." else block.folder
    token = block.access_token.get_secret_value()
    return Wanted(block.address, branch or block.branch, folder, token, block.token_reference())


def _is_block(text: str) -> bool:
    """Whether it is `TYPE/NAME`; a folder of that name that is here is one, unless the type is ours."""
    if not _BLOCK.fullmatch(text):
        return False
    return text.startswith(f"{_TYPE}/") or not Path(text).exists()
