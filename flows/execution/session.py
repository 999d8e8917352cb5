"""Sessions: the clients, transfer engine and limits that the tasks of a run share.

Flows open a session with `open_session`. Tasks get theirs from `in_session`:

- Tasks that a flow awaits run in the event loop of the flow and use its session. Connections,
  tokens and limits are shared by the whole run.
- Tasks that are submitted to a task runner, or that a flow of another package calls, open a session
  for themselves. They often run in another event loop or another process. The tasks of a run that
  are in the same process share its limits.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    nullcontext,
)
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from prefect_stac_asset.flows.execution.global_limits import connection_to_host
from prefect_stac_asset.flows.execution.library_logs import send_library_logs
from prefect_stac_asset.flows.execution.process_limits import ProcessLimits, run_limits
from prefect_stac_asset.flows.execution.stopping import (
    StopMonitor,
    run_until_stopping,
    stop_run_on_failure,
)
from prefect_stac_asset.flows.execution.traces import Traces, open_traces, run_span
from prefect_stac_asset.flows.parameters.budgets import Budget
from prefect_stac_asset.flows.parameters.credentials import (
    BlockOrReference,
    TaskCredentials,
    TaskDestination,
    blocks_or_references,
    open_clients,
    open_destinations,
    prepare_destination,
)
from prefect_stac_asset.flows.parameters.options import DownloadOptions
from prefect_stac_asset.flows.parameters.settings import applied_settings
from stac_asset import Config
from stac_asset.api.destinations import RunDestinations
from stac_asset.clients import Clients
from stac_asset.destinations import Destination
from stac_asset.destinations.location import Location
from stac_asset.environment import check_environment, field_variables
from stac_asset.notices import collect_notices, notice
from stac_asset.transfer.engine import Engine
from stac_asset.transfer.host_limits import OpenConnection
from stac_asset.types import Outcome, Transfer

if TYPE_CHECKING:
    from prefect_stac_asset.flows.execution.budgets.session import SessionMeters


@dataclass(slots=True)
class Session:
    """Objects that the tasks of a run share."""

    config: Config
    clients: Clients
    engine: Engine
    destinations: RunDestinations
    max_concurrent_downloads: int
    """Maximum number of assets downloaded at once."""

    limits: ProcessLimits
    """Limits shared by all tasks of the run in this process, across event loops."""

    connect: OpenConnection
    """Returns a connection to a host, within `limits`."""

    credentials: tuple[BlockOrReference, ...] = ()
    """Blocks, or references to blocks, with the credentials of the clients."""

    destination_credentials: tuple[BlockOrReference, ...] = ()
    """The block, or reference to a block, of the destination. Empty without a block."""

    budgets: tuple[Budget, ...] = ()
    """The budgets of the run."""

    meters: SessionMeters | None = None
    """The meters of `budgets`, if there are any."""

    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    """The event loop in which the session was opened."""

    traces: Traces | None = None
    """The spans of the run, if a tracer is configured."""

    stopping: bool = False
    """Whether the run is being stopped, by a failure or through Prefect's API."""

    def destination_of(self, directory: object) -> Destination:
        """Return the destination of a directory.

        Args:
            directory: The absolute location of the directory.
        """
        return self.destinations.destination_of(str(directory))

    async def prepare(self, directory: Location, writable: bool = True) -> None:
        """Check that a prefix of an object store can be written, before the first download.

        Args:
            directory: The absolute location of the destination.
            writable: Whether the run writes to the prefix.

        Raises:
            DestinationError: The prefix cannot be written.
        """
        credentials = self.destination_credentials
        await prepare_destination(self.destinations, directory, credentials, writable)

    async def download(self, transfer: Transfer) -> Outcome:
        """Download a file. The caller holds one of `limits.downloads`.

        Args:
            transfer: The planned download.
        """
        if self.stopping:  # The caller is about to be cancelled. Do not start the download.
            raise asyncio.CancelledError
        if self.traces is None:
            return await self.engine.download(transfer)
        with self.traces.asset(transfer) as span:
            outcome = await self.engine.download(transfer)
            span.end(outcome)
            return outcome

    def batch_span(self, assets: int) -> AbstractContextManager[None]:
        """Return the span of a batch, or a context without effect if no tracer is configured.

        Args:
            assets: The number of assets.
        """
        return nullcontext() if self.traces is None else self.traces.batch(assets)


_current: ContextVar[Session | None] = ContextVar("session", default=None)


@asynccontextmanager
async def open_session(
    config: Config,
    max_concurrent_downloads: int,
    credentials: TaskCredentials = None,
    destination_credentials: TaskDestination = None,
    budgets: Sequence[Budget] = (),
) -> AsyncIterator[Session]:
    """Open a session for the tasks that are awaited in this context.

    Args:
        config: The configuration of the run.
        max_concurrent_downloads: Maximum number of assets downloaded at once.
        credentials: Blocks with credentials, or references to blocks.
        destination_credentials: The block of the destination, or a reference to the block.
        budgets: The budgets of the run.

    Raises:
        ConfigError: A block is not saved, its credentials are incomplete, or a variable
            `STAC_ASSET_…` of the environment is unknown.
    """
    check_environment()
    limits = run_limits(max_concurrent_downloads, config)
    traces = open_traces()
    with collect_notices(), run_span(traces):
        for name in field_variables():
            notice(
                "Flows do not read these variables of the environment. Set `options`, or the "
                "variable with PREFECT_INTEGRATIONS_ in front, instead of",
                name,
            )
        for name in applied_settings():
            notice("Settings of Prefect set options of this run", name)
        async with (
            open_clients(credentials, config) as own,
            Clients(config, own) as clients,
            open_destinations(destination_credentials, config) as destinations,
            _opened_meters(budgets) as meters,
        ):
            connect = partial(connection_to_host, limits, meters)
            session = Session(
                config=config,
                clients=clients,
                engine=Engine(
                    clients if traces is None else traces.sources(clients),
                    config,
                    destinations,
                    connect=connect,
                ),
                destinations=destinations,
                max_concurrent_downloads=max_concurrent_downloads,
                limits=limits,
                connect=connect,
                credentials=blocks_or_references(credentials),
                destination_credentials=blocks_or_references(destination_credentials),
                traces=traces,
                budgets=tuple(budgets),
                meters=meters,
            )
            token = _current.set(session)
            try:
                yield session
            finally:
                _current.reset(token)


def _opened_meters(
    budgets: Sequence[Budget],
) -> AbstractAsyncContextManager[SessionMeters | None]:
    if not budgets:
        return nullcontext()
    from prefect_stac_asset.flows.execution.budgets.session import open_meters

    return open_meters(budgets)


async def in_session(
    work: Callable[[Session], Coroutine[Any, Any, Any]],
    options: DownloadOptions,
    credentials: TaskCredentials = None,
    stops_others: bool = False,
    destination_credentials: TaskDestination = None,
) -> Any:
    """Return the result of a task's work, or the state Cancelled if the flow run stops the task.

    The result can be a state too. The type is not declared, because a call of the task returns the
    result of the state.

    The work gets the session of the current flow if the flow awaits the task in its own loop, with
    the same options and credentials. Otherwise, a new session is opened for the work.

    Args:
        work: The work of the task. It is called with the session.
        options: The options of the task.
        credentials: Blocks, or references to blocks. None means those of the current session.
        stops_others: Whether a failure of this task stops the other tasks of the run, if
            `fail_fast` is set.
        destination_credentials: The block of the destination, or a reference to the block. None
            means that of the current session.

    Raises:
        ConfigError: A block is not saved, or its credentials are incomplete.
    """
    config, limit = options.config(), options.max_concurrent_downloads
    budgets = tuple(options.budgets)
    current = _current.get()
    if (
        current is not None
        and _is_in_this_loop(current)
        and current.config == config
        and current.budgets == budgets
        and (credentials is None or current.credentials == blocks_or_references(credentials))
        and (
            destination_credentials is None
            or current.destination_credentials == blocks_or_references(destination_credentials)
        )
    ):
        return await run_until_stopping(work(current), current, config.fail_fast)
    send_library_logs()
    monitor = StopMonitor.of_task_run(current, config.fail_fast)
    stopped = await monitor.stopped()
    if stopped is not None:
        return stopped
    async with (
        stop_run_on_failure(stops_others and config.fail_fast),
        open_session(config, limit, credentials, destination_credentials, budgets) as own,
    ):
        return await monitor.until_stopped(work(own), own)


async def with_destinations(
    work: Callable[[RunDestinations], Coroutine[Any, Any, Any]],
    config: Config,
    destination_credentials: TaskDestination = None,
) -> Any:
    """Return the result of work that writes documents, or the state Cancelled if the run stops.

    The type is not declared, because a call of the task raises an error for the state.

    Args:
        work: The work of the task. It is called with the destinations.
        config: The configuration of the task.
        destination_credentials: The block of the destination, or a reference to the block. None
            means that of the current session.

    Raises:
        ConfigError: A block is not saved, or its credentials are incomplete.
    """
    current = _current.get()
    if current is not None and _is_in_this_loop(current) and destination_credentials is None:
        return await run_until_stopping(work(current.destinations), current, config.fail_fast)
    monitor = StopMonitor.of_task_run(current, config.fail_fast)
    stopped = await monitor.stopped()
    if stopped is not None:
        return stopped
    async with open_destinations(destination_credentials, config) as destinations:
        return await monitor.until_stopped(work(destinations))


def _is_in_this_loop(session: Session) -> bool:
    return session.loop is asyncio.get_running_loop()
