"""Prefect's embedded server, without usage statistics and without a log.

If no Prefect server is configured, Prefect starts one for the first flow run of a process. With
Prefect's defaults, that server sends usage statistics, prints tracebacks of requests that its
client repeats, and has 20 seconds to start. Settings of the user take precedence over those of this
module.

If a flow of a user starts first, Prefect starts the server itself. `prepare_embedded_server` makes
that server a quiet one too. The module of the server takes two seconds to import, so the server is
prepared when Prefect imports the module.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

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


_SERVER_MODULE = "prefect.server.api.server"
"""The module with the class of the embedded server."""


def prepare_embedded_server() -> None:
    """Let Prefect start a quiet embedded server, unless a server is configured."""
    if PREFECT_API_URL.value() or not get_current_settings().server.ephemeral.enabled:
        return
    module = sys.modules.get(_SERVER_MODULE)
    if module is not None:
        _prepare(module)
    elif not any(isinstance(finder, _ServerFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _ServerFinder())


class _ServerFinder(MetaPathFinder):
    """Prepares the embedded server after the import of its module."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != _SERVER_MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        loader: Any = spec.loader if spec is not None else None
        if loader is not None:
            execute = loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                _prepare(module)

            loader.exec_module = exec_module
        return spec


def _prepare(module: ModuleType) -> None:
    """Create the embedded server of this process. Prefect has a single object for each port."""
    base: Any = module.SubprocessASGIServer

    class QuietServer(base):  # type: ignore[misc] # a class of a module that is not imported here
        def start(self, timeout: int | None = None) -> None:
            seconds = timeout or get_current_settings().server.ephemeral.startup_timeout_seconds
            super().start(max(_START_TIMEOUT, seconds))

        def _run_uvicorn_command(self) -> Any:
            with _environment():
                return super()._run_uvicorn_command()

    QuietServer()


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
