"""Internal: environment variables of the processes of `make up`."""

from __future__ import annotations

import os
from pathlib import Path

_EXCLUDED_VARIABLES = {"PREFECT_API_KEY", "PREFECT_PROFILE", "PREFECT_PROFILES_PATH"}
"""Environment variables that would connect the processes to another server."""


def stack_environment(home: Path, url: str, database: str | None) -> dict[str, str]:
    """Return all environment variables of the server and the workers.

    Args:
        home: The folder of Prefect's files.
        url: The URL of Prefect's UI.
        database: The URL of the database. None selects SQLite in `home`.
    """
    variables = {
        name: value for name, value in os.environ.items() if name not in _EXCLUDED_VARIABLES
    }
    variables |= {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"{url}/api",
        # By default, the UI expects the server on port 4200.
        "PREFECT_UI_API_URL": f"{url}/api",
        # No telemetry of the server and the UI.
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "DO_NOT_TRACK": "1",
        # By default, leases are in memory. They are lost if the server is killed, and the
        # concurrency slots of running flow runs are then never released.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
            "prefect.server.concurrency.lease_storage.filesystem"
        ),
    }
    if database is not None:
        variables["PREFECT_API_DATABASE_CONNECTION_URL"] = database
    return variables
