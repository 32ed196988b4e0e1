"""Where programs run: `[sandbox]` as blocks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from prefect.blocks.core import Block
from pydantic import Field

from lab_plugin.blocks._described import DOCUMENTATION, GivesSettings, filled

if TYPE_CHECKING:
    from lab_plugin.sandbox import Sandbox

Guarantee = Literal[
    "disk_quota",
    "memory_total",
    "network_none",
    "oom_detected",
    "pid_namespace",
    "read_only_root",
    "seccomp",
    "separate_process",
    "user_split",
]

_REQUIRE = (
    "Guarantees without which nothing is run. lab check says which of them hold on a machine, and tries to "
    "break them."
)


class BubblewrapSandbox(GivesSettings, Block):
    """Runs a lab's programs on this machine's own files, without network and without any right to write.

    Attributes:
        python: Interpreter that `python` means inside.
        require: Guarantees without which nothing is run.

    Example:
        ```python
        # In lab.toml: [sandbox] block = "bubblewrap-sandbox/NAME"
        from lab_plugin.blocks import BubblewrapSandbox

        block = BubblewrapSandbox.load("BLOCK_NAME")
        sandbox = block.build()
        ```
    """

    _block_type_name = "Bubblewrap Sandbox"
    _documentation_url = DOCUMENTATION
    _description = (
        "Runs a lab's programs on a Linux machine, without network and without any right to change it."
    )

    python: str = Field(
        default="",
        title="Python",
        description="Interpreter that python means inside. Empty: the one that runs lab.",
        examples=["/opt/env/bin/python"],
    )
    require: list[Guarantee] = Field(default_factory=list, title="Required guarantees", description=_REQUIRE)

    def settings(self) -> dict[str, Any]:
        """Keys of `[sandbox]`."""
        return {"kind": "bubblewrap", **filled(python=self.python, require=self.require)}

    def build(self) -> Sandbox:
        """Open the sandbox; the caller closes it.

        Raises:
            SandboxUnavailable: It cannot be had on this machine.
            SandboxError: It does not hold what is required.
        """
        from lab_plugin.sandbox import open_sandbox, require_guarantees

        sandbox = open_sandbox("bubblewrap", python=Path(self.python) if self.python else None)
        require_guarantees(sandbox, self.require)
        return sandbox


class DockerSandbox(GivesSettings, Block):
    """Runs a lab's programs in containers of one image, with GPUs where there are any.

    Attributes:
        image: The image.
        python: Path of an interpreter inside the image.
        require: Guarantees without which nothing is run.

    Example:
        ```python
        # In lab.toml: [sandbox] block = "docker-sandbox/NAME"
        from lab_plugin.blocks import DockerSandbox

        block = DockerSandbox.load("BLOCK_NAME")
        sandbox = block.build()
        ```
    """

    _block_type_name = "Docker Sandbox"
    _documentation_url = DOCUMENTATION
    _description = "Runs a lab's programs in containers of one image, with GPUs where the machine has them."

    image: str = Field(
        default="",
        title="Image",
        description=(
            "Name, name@sha256:... or id of the image. Empty: that of the lab's own Dockerfile, or the one "
            "that the lab ships."
        ),
        examples=["registry.example.org/lab@sha256:..."],
    )
    python: str = Field(
        default="",
        title="Python",
        description="Path of the interpreter inside the image. Empty: the python on its PATH.",
        examples=["/opt/env/bin/python"],
    )
    require: list[Guarantee] = Field(default_factory=list, title="Required guarantees", description=_REQUIRE)

    def settings(self) -> dict[str, Any]:
        """Keys of `[sandbox]`."""
        return {"kind": "docker", **filled(image=self.image, python=self.python, require=self.require)}

    def build(self) -> Sandbox:
        """Open the sandbox; the caller closes it.

        Raises:
            SandboxUnavailable: There is no engine, or none that has the image.
            SandboxError: It does not hold what is required.
        """
        from lab_plugin.sandbox import open_sandbox, require_guarantees

        python = Path(self.python) if self.python else None
        sandbox = open_sandbox("docker", python=python, image=self.image or None)
        require_guarantees(sandbox, self.require)
        return sandbox
