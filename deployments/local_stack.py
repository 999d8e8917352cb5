"""All of it on one machine: a Prefect server, a work pool with its worker, and the deployments."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx
from prefect.settings import PREFECT_API_KEY, PREFECT_API_URL, temporary_settings
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from prefect_stac_asset.deployments.background import Background, StackError
from prefect_stac_asset.deployments.orphaned_runs import end_orphaned_processes, end_orphaned_runs
from prefect_stac_asset.deployments.prefect_yaml import read_deployments
from prefect_stac_asset.deployments.registration import (
    cancel_runs,
    has_worker,
    make_process_pool,
    register_blocks,
    register_deployments,
)
from prefect_stac_asset.deployments.schedules import PATIENCE, checking_schedules
from stac_asset.errors import ConfigError

_DATABASES = {"postgresql+asyncpg", "sqlite+aiosqlite"}

_NOTE = "stack.json"
"""The file that says how the server was started."""

_WORKER = "worker-"

_STARTING = 300.0
"""Seconds that a server or a worker gets to start: it may have a database to migrate."""

_ENDING = 60.0
"""Seconds that one gets to end by itself."""

_NOT_OURS = {"PREFECT_API_KEY", "PREFECT_PROFILE", "PREFECT_PROFILES_PATH"}
"""Variables that would lead our processes to another server."""


@dataclass(frozen=True, slots=True)
class Stack:
    """What `make up` starts.

    Args:
        folder: Where everything of it is: database, downloads, logs, process ids.
        port: Where its server listens, on loopback.
        database: The URL of a database; None is SQLite in the folder.

    Raises:
        ConfigError: That is no database which Prefect knows.
    """

    folder: Path
    port: int
    database: str | None = None

    @classmethod
    def of(cls, folder: Path) -> Stack:
        """Returns what was started last with a folder.

        Args:
            folder: The folder.
        """
        note = folder / _NOTE
        return cls(folder, json.loads(note.read_text())["port"] if note.exists() else 0)

    def __post_init__(self) -> None:
        if self.database is not None:
            _shown(self.database)

    @property
    def url(self) -> str:
        """Where the UI is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        """The working directory of its runs."""
        return self.folder / "data"

    @property
    def _home(self) -> Path:
        return self.folder / "prefect"

    @property
    def _server(self) -> Background:
        return Background("server", self.folder)

    def _worker(self, pool: str) -> Background:
        return Background(f"{_WORKER}{pool}", self.folder)

    def environment(self) -> dict[str, str]:
        """Returns the environment variables of its processes."""
        own = {name: value for name, value in os.environ.items() if name not in _NOT_OURS}
        own |= {
            "PREFECT_HOME": str(self._home),
            "PREFECT_API_URL": f"{self.url}/api",
            # On another port than 4200, the UI has to be told where its server is.
            "PREFECT_UI_API_URL": f"{self.url}/api",
            # The server calls nobody, and its pages tell nobody what is done with them.
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
            "DO_NOT_TRACK": "1",
            # In memory, which is the default, they are lost with the server; and then the places of
            # runs that were at work are taken for ever.
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
                "prefect.server.concurrency.lease_storage.filesystem"
            ),
        }
        if self.database is not None:
            own["PREFECT_API_DATABASE_CONNECTION_URL"] = self.database
        return own

    async def up(self, file: Path) -> AsyncIterator[str]:
        """Starts what does not run yet, and registers everything; yields what it did.

        Args:
            file: The `prefect.yaml` with the deployments.

        Raises:
            ConfigError: The file is wrong, or for containers, and nothing was started. Or the
                server refuses some deployments, and all else runs.
            StackError: The port is taken, or a process did not start.
            ScheduleError: All of it runs, but the server makes no scheduled runs.
        """
        listed = read_deployments(file)
        for one in listed:
            if "image" in one.work_pool.job_variables:
                raise ConfigError(
                    f"deployments.{one.name}.work_pool is for containers, and `make up` starts "
                    "processes: use another pool, or `prefect deploy` and a worker for containers"
                )
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.data.mkdir(exist_ok=True)
        is_new = self._server.pid() is None
        self._start_server()
        if is_new:
            yield "starting     a server, which may take a minute"
        await self._until(self._healthy, self._server)
        yield f"server       {self.url}, log in {self._server.log}"
        with self._settings():
            yield f"blocks       {', '.join(await register_blocks())}"
            pools = sorted({one.work_pool.name for one in listed})
            for pool in pools:
                await make_process_pool(pool, self.data)
                yield f"work pool    {pool}; relative directories are within {self.data}"
            refused: ConfigError | None = None
            async with checking_schedules() as checking:
                try:
                    async for name in register_deployments(file):
                        yield f"deployment   {name}"
                except ConfigError as error:
                    refused = error
                for pool in pools:
                    for line in await self._start_worker(pool):
                        yield line
                yield f"schedules    waiting for a scheduled run, at most {PATIENCE:.0f} s"
                yield f"schedules    {await checking.wait(PATIENCE)}"
            if refused is not None:
                raise refused

    async def _start_worker(self, pool: str) -> list[str]:
        """Start the worker of a pool, unless it runs, and return what to print."""
        worker = self._worker(pool)
        lines = []
        since = datetime.fromtimestamp(0, UTC)
        if worker.pid() is None:
            lines = await self._end_orphans(pool)
            since = datetime.now(UTC)
            start = ("worker", "start", "--type", "process", "--pool", pool, "--name", pool)
            worker.start([sys.executable, "-m", "prefect", *start], self.environment())
        await self._until(partial(has_worker, pool, since), worker)
        return [*lines, f"worker       of {pool}, log in {worker.log}"]

    async def _end_orphans(self, pool: str) -> list[str]:
        """End the runs that the worker of a pool left when it was killed."""
        end_orphaned_processes(self._home, pool)
        if self._server.pid() is None:
            return []
        runs = await end_orphaned_runs(pool)
        return [f"run '{name}' crashed with its worker: the next one continues" for name in runs]

    async def down(self) -> AsyncIterator[str]:
        """Ends what `up` started, and yields what it ended."""
        locks = sorted(self.folder.glob(f"{_WORKER}*.pid"))
        workers = {
            lock.stem.removeprefix(_WORKER): Background(lock.stem, self.folder) for lock in locks
        }
        # Otherwise the server would believe for ever that runs are running.
        try:
            with self._settings():
                for pool, worker in workers.items():
                    if worker.pid() is None:
                        for line in await self._end_orphans(pool):
                            yield line
                has_workers = any(worker.pid() is not None for worker in workers.values())
                if has_workers and self._server.pid() is not None:
                    for name in await cancel_runs(_ENDING):
                        yield f"run '{name}' was cancelled: the next one goes on from there"
        except StackError as error:
            yield f"no run was cancelled: {error}"
        for process in (*workers.values(), self._server):
            if process.stop(_ENDING):
                yield f"{process.name} has ended"
        for pool in workers:
            end_orphaned_processes(self._home, pool)

    def _start_server(self) -> None:
        note = self.folder / _NOTE
        wanted = {"port": self.port, "database": _shown(self.database)}
        if self._server.pid() is not None:
            running = json.loads(note.read_text())
            if running != wanted:
                raise StackError(
                    f"a server runs already, on port {running['port']} with {running['database']}: "
                    "end it first, with `make down`"
                )
            return
        with closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self.port))
            except OSError as error:
                raise StackError(
                    f"port {self.port} cannot be had ({error.strerror}): set PORT to another one"
                ) from None
        note.write_text(json.dumps(wanted))
        start = ("server", "start", "--host", "127.0.0.1", "--port", str(self.port))
        self._server.start([sys.executable, "-m", "prefect", *start], self.environment())

    async def _healthy(self) -> bool:
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            try:
                return (await client.get(f"{self.url}/api/health")).is_success
            except httpx.HTTPError:
                return False

    async def _until(self, ready: Callable[[], Awaitable[bool]], process: Background) -> None:
        deadline = time.monotonic() + _STARTING
        while not await ready():
            if process.pid() is None:
                raise StackError(
                    f"the {process.name} has ended: {process.last_words()} (more in {process.log})"
                )
            if time.monotonic() > deadline:
                raise StackError(
                    f"the {process.name} is not ready after {_STARTING:.0f} s: see {process.log}"
                )
            await asyncio.sleep(0.2)

    @contextmanager
    def _settings(self) -> Iterator[None]:
        url = f"{self.url}/api"
        with temporary_settings({PREFECT_API_URL: url}, restore_defaults=[PREFECT_API_KEY]):
            try:
                yield
            except httpx.HTTPError as error:
                reason = str(error).partition("\n")[0] or type(error).__name__
                raise StackError(
                    f"the server does not do what it is asked ({reason}): see {self._server.log}"
                ) from None


def _shown(database: str | None) -> str:
    """Returns a database without its password.

    Raises:
        ConfigError: It is none that Prefect knows.
    """
    if database is None:
        return "SQLite"
    try:
        url = make_url(database)
    except (ArgumentError, ValueError):
        raise ConfigError("DATABASE is no URL of a database") from None
    if url.drivername not in _DATABASES:
        raise ConfigError(
            f"DATABASE begins with '{url.drivername}', and Prefect needs "
            "postgresql+asyncpg://user:password@host:port/name"
        )
    return url.render_as_string(hide_password=True)
