"""MLflow's server with a door: `mlflow server --app-name prefect-lab`.

MLflow's own `basic-auth` asks for a password route by route, and some of its routes ask nobody. Here one
credential stands before the whole application, as it does in Prefect; MLflow's clients send it as they would
to `basic-auth`, from `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`.
"""

from __future__ import annotations

import os

from lab_plugin.errors import TrackingError
from lab_plugin.guards import App, OwnPagesOnly, SameUserOnly, WithCredential

AUTH_VARIABLE = "PREFECT_LAB_MLFLOW_AUTH_STRING"
"""`user:password` that the server asks for."""
ORIGINS_VARIABLE = "PREFECT_LAB_MLFLOW_ORIGINS"
"""Origins of the server's own pages, with commas; where it is set, only they and this user are served."""

# It says "OK", whoever asks: for health checks.
OPEN_PATHS = frozenset({"/health"})


def create_app() -> App:
    """MLflow's application behind what the environment asks for.

    Raises:
        TrackingError: The environment asks for nothing, so that everybody would be served.
    """
    credential = os.environ.get(AUTH_VARIABLE)
    origins = tuple(filter(None, os.environ.get(ORIGINS_VARIABLE, "").split(",")))
    if not credential and not origins:
        raise TrackingError(f"{AUTH_VARIABLE} is not set.", "Set it to user:password.")
    from mlflow.server.fastapi_app import app as stock

    app: App = stock
    if credential:
        app = WithCredential(app, credential, "MLflow", OPEN_PATHS)
    if origins:
        app = SameUserOnly(OwnPagesOnly(app, origins))
    return app
