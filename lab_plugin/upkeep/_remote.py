"""The git remote of a lab that has one: what it has is looked at, too."""

from __future__ import annotations

from lab_plugin.errors import RepositoryError
from lab_plugin.lab import Lab
from lab_plugin.sharing import take_in
from lab_plugin.upkeep._finding import Finding


def remote_findings(lab: Lab) -> list[Finding]:
    """Take in what the git remote has, without which a worker's clone knows nothing; tells what hinders."""
    try:
        take_in(lab)
    except RepositoryError as error:
        return [Finding("remote", error.message, lab.config.lab.remote or "", error.remedy)]
    return []
