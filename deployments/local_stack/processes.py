"""Internal: the processes of a local stack: a Prefect server, and a worker for each pool."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx

from prefect_stac_asset.deployments.local_stack.background import Background, StackError
from prefect_stac_asset.deployments.local_stack.database_url import without_password
from prefect_stac_asset.deployments.local_stack.environment import stack_environment
from prefect_stac_asset.deployments.local_stack.orphaned_runs import (
    end_orphaned_processes,
    end_orphaned_runs,
)
from prefect_stac_asset.deployments.local_stack.state import read_state, write_state
from prefect_stac_asset.deployments.ports import free_port, listen_problem
from prefect_stac_asset.deployments.registration import has_worker

_SERVER_MODULE = "prefect_stac_asset.deployments.server_process"
"""Module that runs `prefect server start`."""

_WORKER_PREFIX = "worker-"

_START_TIMEOUT = 300.0
"""Maximum number of seconds to start a worker, or a server that may migrate a database."""


@dataclass(frozen=True, slots=True)
class StackProcesses:
    """The processes of a local stack.

    Args:
        folder: The folder for the database, logs and process ids.
        port: The port of the server on the loopback interface.
        database: The URL of the database. None selects SQLite in the folder.
    """

    folder: Path
    port: int
    database: str | None

    @property
    def url(self) -> str:
        """The URL of Prefect's UI."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def server(self) -> Background:
        """The process of the server."""
        return Background("server", self.folder)

    @property
    def _home(self) -> Path:
        return self.folder / "prefect"

    def _environment(self) -> dict[str, str]:
        """Return the environment variables of the processes."""
        return stack_environment(self._home, self.url, self.database)

    def workers(self) -> dict[str, Background]:
        """Return the workers that were started in the folder, by work pool."""
        locks = sorted(self.folder.glob(f"{_WORKER_PREFIX}*.pid"))
        return {
            lock.stem.removeprefix(_WORKER_PREFIX): Background(lock.stem, self.folder)
            for lock in locks
        }

    def start_server(self) -> None:
        """Start the server unless the server is running. Do not wait for the server.

        Raises:
            StackError: The port is already in use, or a server with other settings is running.
        """
        state = {"port": self.port, "database": without_password(self.database)}
        if self.server.pid() is not None:
            running = read_state(self.folder)
            if running | state != running:
                raise StackError(
                    f"A server is already running on port {running['port']} with "
                    f"{running['database']}. Stop it with `make down` first."
                )
            return
        problem = listen_problem(self.port)
        if problem is not None:
            raise StackError(
                f"Cannot listen on port {self.port} ({problem}). Choose another port with "
                f"PORT={free_port(self.port + 1)}."
            )
        write_state(self.folder, **state)
        start = ("--host", "127.0.0.1", "--port", str(self.port))
        self.server.start([sys.executable, "-m", _SERVER_MODULE, *start], self._environment())

    async def wait_for_server(self) -> None:
        """Wait until the server responds.

        Raises:
            StackError: The server did not start.
        """
        await self._wait_until(self._is_healthy, self.server)

    async def start_worker(self, pool: str) -> list[str]:
        """Start the worker of a pool unless the worker is running, and return lines to print.

        Args:
            pool: The name of the work pool.

        Raises:
            StackError: The worker did not start.
        """
        worker = Background(f"{_WORKER_PREFIX}{pool}", self.folder)
        lines = []
        since = datetime.fromtimestamp(0, UTC)
        if worker.pid() is None:
            lines = await self.end_orphans(pool)
            since = datetime.now(UTC)
            start = ("worker", "start", "--type", "process", "--pool", pool, "--name", pool)
            worker.start([sys.executable, "-m", "prefect", *start], self._environment())
        await self._wait_until(partial(has_worker, pool, since), worker)
        return [*lines, f"worker       of pool {pool}, log in {worker.log}"]

    async def end_orphans(self, pool: str) -> list[str]:
        """End the flow runs that a killed worker of a pool left, and return lines to print.

        Args:
            pool: The name of the work pool.
        """
        self.end_orphaned_processes(pool)
        if self.server.pid() is None:
            return []
        runs = await end_orphaned_runs(pool)
        return [
            f"run '{name}' was set to Crashed: its worker was killed; the next run resumes"
            for name in runs
        ]

    def end_orphaned_processes(self, pool: str) -> None:
        """End the processes of flow runs that a killed worker of a pool left.

        Args:
            pool: The name of the work pool.
        """
        end_orphaned_processes(self._home, pool)

    async def _is_healthy(self) -> bool:
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            try:
                return (await client.get(f"{self.url}/api/health")).is_success
            except httpx.HTTPError:
                return False

    async def _wait_until(self, ready: Callable[[], Awaitable[bool]], process: Background) -> None:
        """Wait until a started process is ready."""
        deadline = time.monotonic() + _START_TIMEOUT
        while not await ready():
            if process.pid() is None:
                database = ""
                if process.name == self.server.name and self.database is not None:
                    database = f" with DATABASE '{without_password(self.database)}'"
                raise StackError(
                    f"{process.name} stopped unexpectedly{database}: {process.failure_reason()}. "
                    f"See {process.log}."
                )
            if time.monotonic() > deadline:
                raise StackError(
                    f"{process.name} did not start within {_START_TIMEOUT:.0f} s. "
                    f"See {process.log}."
                )
            await asyncio.sleep(0.2)
