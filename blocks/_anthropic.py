"""A model of Anthropic's, for proposers and reviewers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from lab_plugin.blocks._described import DOCUMENTATION, Described

if TYPE_CHECKING:
    from lab_plugin.model_settings import ModelSettings


class AnthropicModel(Described, Block):
    """A model of Anthropic's, with the key to it.

    Attributes:
        model: Name of the model.
        api_key: Key of the API.
        base_url: Address of the API.
        max_tokens: Tokens of one answer at most.

    Example:
        ```python
        from lab_plugin.blocks import AnthropicModel

        block = AnthropicModel.load("BLOCK_NAME")
        settings = block.build()
        ```
    """

    _block_type_name = "Anthropic Model"
    _documentation_url = DOCUMENTATION
    _description = "A model that makes or reviews ideas. The key reaches no file, log or sandbox."

    model: str = Field(
        title="Model", description="Name of the model at the provider.", examples=["claude-opus-4-5"]
    )
    api_key: SecretStr = Field(title="API key", description="Key of the API; it is stored as a secret.")
    base_url: str = Field(
        default="",
        title="Base URL",
        description="Address of the API, where a gateway stands before it. Empty: the provider's own.",
        examples=["https://gateway.example.org"],
    )
    max_tokens: int = Field(
        default=16_384, title="Max tokens", description="One answer has at most so many tokens.", ge=1
    )

    def build(self) -> ModelSettings:
        """The settings that a proposer takes; nobody is asked anything."""
        from lab_plugin.model_settings import ModelSettings

        return ModelSettings(self.model, self.api_key.get_secret_value(), self.base_url, self.max_tokens)
