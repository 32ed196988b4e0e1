"""From a lab's configuration to the sandbox of its programs, on this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lab_plugin.config import Config
from lab_plugin.sandbox import Sandbox, open_sandbox, require_guarantees

if TYPE_CHECKING:
    from lab_plugin.services import Services


def sandbox_of(
    config: Config, image: str | None, services: Callable[[], Services | None] = lambda: None
) -> Sandbox:
    """The sandbox that `[sandbox]` names, with its network.

    Args:
        config: The lab's, at the tier whose programs run.
        image: Digest of the image to run them in, which is the one of the terms: a name may come to mean
            another image meanwhile. None where the sandbox has none.
        services: Gives the programs on the host that they may use; asked where the network is used at all.

    Raises:
        SandboxUnavailable: It cannot be had on this machine.
        SandboxError: It does not hold what `[sandbox] require` demands.
    """
    settings = config.sandbox
    python = Path(settings.python) if settings.python else None
    sandbox = open_sandbox(settings.kind, python=python, image=image, gpus=config.candidate.gpus)
    require_guarantees(sandbox, settings.require)
    if not (config.candidate.network or config.proposer.network or config.services):
        return sandbox
    # Only a lab that uses the network pays for importing it.
    from lab_plugin.networked import networked

    return networked(sandbox, config, services())
