"""A Prefect server of a single test, which the test stops and starts again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    PREFECT_LOGGING_TO_API_ENABLED,
    temporary_settings,
)

from tests.support.prefect_databases import QUICK_SERVER, make_prefect_home
from tests.support.prefect_server import server_process
from tests.support.servers import free_port


@dataclass
class RestartableServer:
    """A server with a database that outlives the process.

    Args:
        home: The folder of the database.
    """

    home: Path
    port: int = field(default_factory=free_port)
    _process: ExitStack = field(default_factory=ExitStack)

    @classmethod
    @contextmanager
    def running(cls, folder: Path) -> Iterator[RestartableServer]:
        """Start a server, and set its URL as the Prefect API of this process.

        Clients do not repeat requests by themselves, so that an outage reaches the code under test.

        Args:
            folder: A folder for the database and the log.
        """
        server = cls(folder / "prefect")
        make_prefect_home(server.home)
        settings = {
            PREFECT_API_URL: f"http://127.0.0.1:{server.port}/api",
            PREFECT_CLIENT_MAX_RETRIES: 0,
            PREFECT_LOGGING_TO_API_ENABLED: False,
        }
        server.start()
        try:
            with temporary_settings(settings):
                yield server
        finally:
            server.stop()

    def start(self) -> None:
        """Start the server, and wait until the API responds."""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")
        }
        environment |= QUICK_SERVER | {
            "PREFECT_HOME": str(self.home),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        }
        log = self.home / "server.log"
        self._process.enter_context(
            server_process(self.port, log, "--no-ui", "--no-services", environment=environment)
        )

    def stop(self) -> None:
        """Stop the server."""
        self._process.close()
