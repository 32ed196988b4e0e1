"""Where a lab lies: a git repository, a branch and a folder."""

from __future__ import annotations

from typing import Any

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from lab_plugin.blocks._described import DOCUMENTATION, Described

_CLONE = "prefect.deployments.steps.git_clone"
_ENTER = "prefect.deployments.steps.set_working_directory"


class LabRepository(Described, Block):
    """A git repository with a lab in it, for deployments that fetch it.

    Attributes:
        address: Of the repository.
        branch: The branch to fetch.
        folder: Of the lab in the repository.
        access_token: Lets the repository be read.

    Example:
        ```python
        from lab_plugin.blocks import LabRepository

        block = LabRepository.load("BLOCK_NAME")
        steps = block.pull_steps()
        ```
    """

    _block_type_name = "Lab Repository"
    _documentation_url = DOCUMENTATION
    _description = (
        "A git repository with a lab in it, for deployments to fetch. The token stays in this block."
    )

    address: str = Field(
        title="Address",
        description="Of the repository: https://, ssh:// or a path that all workers have; no password in it.",
        examples=["https://git.example.org/team/digits.git"],
    )
    branch: str = Field(
        default="", title="Branch", description="The branch to fetch. Empty: the repository's default."
    )
    folder: str = Field(
        default=".", title="Folder", description="The lab's folder in the repository, where its lab.toml is."
    )
    access_token: SecretStr = Field(
        default=SecretStr(""),
        title="Access token",
        description="Lets a private https:// repository be read. Empty: the worker's git has what it takes.",
    )

    def pull_steps(self) -> list[dict[str, Any]]:
        """The pull steps of a deployment: clone the repository, enter the lab's folder.

        A token is named in them by this block, and looked up by the worker.

        Raises:
            ValueError: There is a token, and the block was not saved, so that nothing could name it.
        """
        clone: dict[str, Any] = {"id": "clone", "repository": self.address}
        if self.branch:
            clone["branch"] = self.branch
        if self.access_token.get_secret_value():
            clone["access_token"] = self.token_reference()
        folder = "" if self.folder in ("", ".") else f"/{self.folder.strip('/')}"
        return [{_CLONE: clone}, {_ENTER: {"directory": f"{{{{ clone.directory }}}}{folder}"}}]

    def token_reference(self) -> str:
        """What stands for the token in a pull step: the worker looks it up when the step runs.

        Raises:
            ValueError: The block was not saved, so that nothing could name it.
        """
        if self._block_document_name is None:
            raise ValueError("Save the block first: a deployment names it, and holds no token.")
        name = f"{self.get_block_type_slug()}.{self._block_document_name}"
        return f"{{{{ prefect.blocks.{name}.access_token }}}}"
