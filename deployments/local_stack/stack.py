"""Internal: the steps of `make up`, `make down` and `status`: a server, workers, deployments."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from prefect.settings import PREFECT_API_KEY, PREFECT_API_URL, temporary_settings

from prefect_stac_asset.deployments.local_stack.background import StackError
from prefect_stac_asset.deployments.local_stack.cancelled_runs import cancel_runs
from prefect_stac_asset.deployments.local_stack.database_url import without_password
from prefect_stac_asset.deployments.local_stack.processes import StackProcesses
from prefect_stac_asset.deployments.local_stack.state import read_state, write_state
from prefect_stac_asset.deployments.local_stack.status import Process, Runs, read_runs
from prefect_stac_asset.deployments.prefect_yaml import read_deployments
from prefect_stac_asset.deployments.registration import (
    make_process_pool,
    register_blocks,
    register_deployments,
)
from prefect_stac_asset.deployments.schedules import RUN_TIMEOUT, check_schedules
from stac_asset.errors import ConfigError

_STOP_TIMEOUT = 60.0
"""Maximum number of seconds for runs and processes to end. Remaining processes are killed."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A local Prefect server with workers, as started by `make up`.

    Args:
        folder: The folder for the database, downloads, logs and process ids.
        port: The port of the server on the loopback interface.
        database: The URL of the database. None selects SQLite in the folder.

    Raises:
        ConfigError: Prefect does not support the database.
    """

    folder: Path
    port: int
    database: str | None = None

    @classmethod
    def of(cls, folder: Path) -> Stack:
        """Return the stack that was last started in a folder.

        Args:
            folder: The folder of a stack.
        """
        return cls(folder, read_state(folder).get("port", 0))

    def __post_init__(self) -> None:
        if self.database is not None:
            without_password(self.database)

    @property
    def url(self) -> str:
        """The URL of Prefect's UI."""
        return self._processes.url

    @property
    def data(self) -> Path:
        """The working directory of flow runs."""
        return self.folder / "data"

    @property
    def file(self) -> Path | None:
        """The `prefect.yaml` that was passed to an earlier `up` in the folder, if any."""
        file = read_state(self.folder).get("file")
        return None if file is None else Path(file)

    @property
    def _processes(self) -> StackProcesses:
        return StackProcesses(self.folder, self.port, self.database)

    @property
    def is_stopped(self) -> bool:
        """Whether `down` has stopped the stack since the last `up`."""
        return bool(read_state(self.folder).get("is_stopped"))

    async def up(
        self, file: Path, remember: bool = False, reset: bool = False
    ) -> AsyncIterator[str]:
        """Start processes that are not running, and register blocks, work pools and deployments.

        Args:
            file: The `prefect.yaml` with the deployments.
            remember: Whether later commands in the folder use this file by default.
            reset: Whether the file replaces changes that people made on the server.

        Yields:
            A line to print for each completed step.

        Raises:
            ConfigError: The file is invalid or has deployments for containers: no process was
                started. Or some deployments were refused, for example because they refer to a block
                that is not saved: all processes are running.
            StackError: The port is already in use, or a process did not start.
            ScheduleError: All processes are running, but the server creates no scheduled runs.
        """
        listed = read_deployments(file)
        for deployment in listed:
            if "image" in deployment.work_pool.job_variables:
                raise ConfigError(
                    f"deployments.{deployment.name}.work_pool is for containers, but `make up` "
                    "starts workers for processes. Use another pool, or use `prefect deploy` and a "
                    "worker for containers."
                )
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.data.mkdir(exist_ok=True)
        write_state(self.folder, is_stopped=False)
        processes = self._processes
        is_new = processes.server.pid() is None
        processes.start_server()
        if remember:
            write_state(self.folder, file=str(file))
        if is_new:
            yield "starting     a server, which may take a minute"
        await processes.wait_for_server()
        yield f"server       {self.url}, log in {processes.server.log}"
        with self._settings():
            yield f"blocks       {', '.join(await register_blocks())}"
            pools = sorted({deployment.work_pool.name for deployment in listed})
            for pool in pools:
                await make_process_pool(pool, self.data)
                yield f"work pool    {pool}, working directory {self.data}"
            yield f"deployments  of {file}"
            refused: ConfigError | None = None
            async with check_schedules() as schedule_check:
                try:
                    async for name in register_deployments(file, reset):
                        yield f"deployment   {name}"
                except ConfigError as error:
                    refused = error
                for pool in pools:
                    for line in await processes.start_worker(pool):
                        yield line
                yield f"schedules    waiting for a scheduled run, at most {RUN_TIMEOUT:.0f} s"
                yield f"schedules    {await schedule_check.wait(RUN_TIMEOUT)}"
            if refused is not None:
                raise refused

    async def down(self) -> AsyncIterator[str]:
        """Cancel flow runs, and stop the processes that `up` started.

        Yields:
            A line to print for each cancelled run and each stopped process.
        """
        processes = self._processes
        server, workers = processes.server, processes.workers()
        if self.folder.exists():
            write_state(self.folder, is_stopped=True)
        # Runs that are not cancelled would stay Running on the server after their worker stopped.
        try:
            with self._settings():
                for pool, worker in workers.items():
                    if worker.pid() is None:
                        for line in await processes.end_orphans(pool):
                            yield line
                has_workers = any(worker.pid() is not None for worker in workers.values())
                if has_workers and server.pid() is not None:
                    async for line in cancel_runs(workers, _STOP_TIMEOUT):
                        yield line
        except StackError as error:
            yield f"no run was cancelled: {error}"
        for process in (*workers.values(), server):
            if process.stop(_STOP_TIMEOUT):
                yield f"{process.name} was stopped"
        for pool in workers:
            processes.end_orphaned_processes(pool)

    async def status(self) -> tuple[list[Process], Runs | None]:
        """Return the processes of the stack, and the runs of a running server.

        Raises:
            StackError: The server does not respond.
        """
        server = self._processes.server
        if not self.folder.exists():
            return [], None
        processes = [Process(f"server       {self.url}", server.since(), server.log)]
        for pool, worker in self._processes.workers().items():
            processes.append(Process(f"worker       of pool {pool}", worker.since(), worker.log))
        if server.pid() is None:
            return processes, None
        with self._settings():
            return processes, await read_runs()

    def dead_processes(self) -> list[str]:
        """Return the names of the server and the workers that were started and are not running."""
        processes = (self._processes.server, *self._processes.workers().values())
        return [process.name for process in processes if process.pid() is None]

    @contextmanager
    def _settings(self) -> Iterator[None]:
        url = f"{self.url}/api"
        with temporary_settings({PREFECT_API_URL: url}, restore_defaults=[PREFECT_API_KEY]):
            try:
                yield
            except httpx.HTTPError as error:
                reason = str(error).partition("\n")[0] or type(error).__name__
                log = self._processes.server.log
                raise StackError(
                    f"Prefect server returned an error ({reason}). See {log}."
                ) from None
