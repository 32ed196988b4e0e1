"""What a server does for deployments, switched on while it runs."""

from __future__ import annotations

import os
from typing import Any

from lab_plugin.local_api._settings import WITHOUT_DEPLOYMENTS, loaded


async def serve_deployments(app: Any) -> None:
    """Have a server that was started without them do what deployments and workers need.

    Prefect decides at a server's start which of its services run; a campaign's server is started without
    these, and must not be started again under the campaign when somebody wants schedules.

    Args:
        app: Prefect's application, whose lifespan has begun.
    """
    from prefect.server.services.perpetual_services import get_enabled_perpetual_services

    for name in WITHOUT_DEPLOYMENTS:
        os.environ.pop(name, None)
    loaded()
    docket = app.api_app.state.docket
    for service in get_enabled_perpetual_services():
        name = service.function.__name__
        if name not in docket.tasks:
            docket.register(service.function)
            await docket.add(service.function, key=name)()
