"""Prefect's embedded server, without usage statistics and without a log.

If no Prefect server is configured, Prefect starts one for the first flow run of a process. With
Prefect's defaults, that server sends usage statistics, prints tracebacks of requests that its
client repeats, and has 20 seconds to start. Settings of the user take precedence over those of this
module.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.settings import PREFECT_API_URL, get_current_settings
from prefect.utilities.visualization import get_task_viz_tracker

_ENVIRONMENT = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    # Loggers of other packages, such as SQLAlchemy.
    "PREFECT_LOGGING_ROOT_LEVEL": "CRITICAL",
}
"""Environment variables of the server. Variables of the user take precedence."""

_START_TIMEOUT = 120
"""Minimum of the maximum number of seconds in which the server must start."""


def start_embedded_server() -> None:
    """Start the embedded server, unless a server is configured or already running.

    Raises:
        RuntimeError: The server did not start.
    """
    ephemeral = get_current_settings().server.ephemeral
    if PREFECT_API_URL.value() or not ephemeral.enabled or get_task_viz_tracker():
        return
    # The import takes a second. Prefect itself needs this module for an embedded server.
    from prefect.server.api.server import SubprocessASGIServer

    server = SubprocessASGIServer()
    if not server.running:
        with _environment():
            server.start(max(_START_TIMEOUT, ephemeral.startup_timeout_seconds))


@contextmanager
def _environment() -> Iterator[None]:
    """Set environment variables that child processes inherit, until the context ends."""
    added = {name: value for name, value in _ENVIRONMENT.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
