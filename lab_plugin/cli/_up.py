"""`lab up`: the servers and workers of this machine, until Ctrl-C."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab_plugin.cli._options import JsonOption, LabOption

if TYPE_CHECKING:
    from lab_plugin.config import Config

_PORT = {"min": 1, "max": 65535}


def up(
    port: Annotated[
        int | None, typer.Option(**_PORT, help="Of the Prefect API and UI (default: 4200, or a free one).")
    ] = None,
    mlflow_port: Annotated[
        int | None, typer.Option(**_PORT, help="Of the MLflow UI (default: 5000, or a free one).")
    ] = None,
    auth: Annotated[
        bool | None,
        typer.Option(
            "--auth/--no-auth",
            help="Ask for a user and a password, from now on; or for none (default: as before).",
            show_default=False,
        ),
    ] = None,
    lab: LabOption = None,
    as_json: JsonOption = False,
) -> None:
    """Serve the Prefect UI, the MLflow UI and a worker for each of the lab's pools here, until Ctrl-C."""
    from lab_plugin.cli._up_serving import serve
    from lab_plugin.home import Home
    from lab_plugin.up import Options

    options = Options(Home.from_environment(), _config(lab), port, mlflow_port, auth)
    serve(options, as_json)


def _config(lab: Path | None) -> Config | None:
    """The lab that is named, or the nearest upwards; None when there is none to be found."""
    from lab_plugin.config import find, load
    from lab_plugin.errors import ConfigError

    if lab is not None:
        return load(lab if lab.is_file() else find(lab))
    try:
        nearest = find(Path.cwd())
    except ConfigError:
        return None
    return load(nearest)
