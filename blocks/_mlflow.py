"""Where a lab's runs are shown: `[tracking]` as a block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from lab_plugin.blocks._described import DOCUMENTATION, GivesSettings, filled

if TYPE_CHECKING:
    from lab_plugin.tracking import Store


class MlflowTracking(GivesSettings, Block):
    """The MLflow store that mirrors a lab's ledger.

    Attributes:
        tracking_uri: MLflow tracking URI.
        username: Whom the server knows.
        password: Of that user.
        artifact_location: Where experiments keep their files.

    Example:
        ```python
        # In lab.toml: [tracking] block = "mlflow-tracking/NAME"
        from lab_plugin.blocks import MlflowTracking

        block = MlflowTracking.load("BLOCK_NAME")
        store = block.build()
        ```
    """

    _block_type_name = "MLflow Tracking"
    _block_type_slug = "mlflow-tracking"
    _documentation_url = DOCUMENTATION
    _description = "The MLflow server that shows a lab's runs. The password reaches no file, log or sandbox."

    tracking_uri: str = Field(
        title="Tracking URI",
        description="Address of the MLflow server, or of a store; without user and password.",
        examples=["https://mlflow.example.org"],
    )
    username: str = Field(
        default="",
        title="Username",
        description="Whom the server knows. Empty: nobody, or MLFLOW_TRACKING_USERNAME of the machine.",
    )
    password: SecretStr = Field(
        default=SecretStr(""),
        title="Password",
        description="Of that user. Empty: none, or MLFLOW_TRACKING_PASSWORD of the machine.",
    )
    artifact_location: str = Field(
        default="",
        title="Artifact location",
        description="Where the lab's experiment keeps its files. Empty: as the server sees fit.",
        examples=["s3://bucket/lab", "file:///srv/artifacts"],
    )

    def settings(self) -> dict[str, Any]:
        """Keys of `[tracking]`."""
        return filled(uri=self.tracking_uri, username=self.username, artifacts=self.artifact_location)

    def secrets(self) -> dict[str, str]:
        """The password."""
        return filled(password=self.password.get_secret_value())

    def build(self) -> Store:
        """The store; nothing is opened."""
        from lab_plugin.tracking import Store

        password = self.secrets().get("password", "")
        return Store(self.tracking_uri, self.artifact_location, self.username, password)
