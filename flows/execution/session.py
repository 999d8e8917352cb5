"""Gives tasks an engine: that of the flow that they run in, or one of their own.

Tasks that a flow awaits share its event loop, and with it one engine: its connections, tokens and
limits hold for the whole run. A task that is submitted to a task runner runs in a loop of its own,
often in another process, and so does one in somebody else's flow: it gets an engine of its own, and
shares the run's limits with the others in its process.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from prefect import State

from prefect_stac_asset.flows.execution.global_limits import place_in_batch
from prefect_stac_asset.flows.execution.library_logs import send_library_logs
from prefect_stac_asset.flows.execution.process_limits import ProcessLimits, run_limits
from prefect_stac_asset.flows.execution.stopping import RunWatch, failing_with_run, unless_stopping
from prefect_stac_asset.flows.parameters.credentials import (
    Holder,
    TaskCredentials,
    listed,
    open_clients,
)
from prefect_stac_asset.flows.parameters.options import DownloadOptions
from stac_asset import Config
from stac_asset.clients import Clients
from stac_asset.destinations import LocalDestinations
from stac_asset.transfer.engine import Engine
from stac_asset.types import Outcome, Transfer

_R = TypeVar("_R")


@dataclass(slots=True)
class Session:
    """What the tasks of one run share."""

    config: Config
    clients: Clients
    engine: Engine
    max_concurrent_downloads: int
    """How many assets may be in work at once."""

    limits: ProcessLimits
    """What the run's tasks share in this process, also those in other loops."""

    credentials: tuple[Holder, ...] = ()
    """What the clients have their credentials from."""

    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    stopping: bool = False
    """Whether the run is being stopped, by its own failure or through Prefect's API."""

    async def download(self, transfer: Transfer) -> Outcome:
        """Downloads one transfer, when there is a place for it.

        Args:
            transfer: What to download.
        """
        async with self.limits.places:
            if self.stopping:  # Whoever awaits this is about to be cancelled: begin nothing.
                raise asyncio.CancelledError
            return await self.engine.download(transfer)


_current: ContextVar[Session | None] = ContextVar("session", default=None)


@asynccontextmanager
async def open_session(
    config: Config, max_concurrent_downloads: int, credentials: TaskCredentials = None
) -> AsyncIterator[Session]:
    """Opens a session for the tasks that are awaited inside.

    Args:
        config: The configuration of the run.
        max_concurrent_downloads: How many assets may be in work at once.
        credentials: Blocks that hold credentials, or references to them.

    Raises:
        ConfigError: Credentials are not saved, or not complete.
    """
    limits = run_limits(max_concurrent_downloads, config.max_connections_per_host)
    async with (
        _sparing_the_collector(),
        open_clients(credentials, config) as own,
        Clients(config, own) as clients,
    ):
        session = Session(
            config=config,
            clients=clients,
            engine=Engine(
                clients,
                config,
                LocalDestinations(config.make_directory),
                hosts=partial(place_in_batch, limits),
            ),
            max_concurrent_downloads=max_concurrent_downloads,
            limits=limits,
            credentials=listed(credentials),
        )
        token = _current.set(session)
        try:
            yield session
        finally:
            _current.reset(token)


@asynccontextmanager
async def _sparing_the_collector() -> AsyncIterator[None]:
    """Keeps the garbage collector from what there was before the run.

    Prefect and what it imports are half a million objects. Each look through all of them stops a
    run of 5,000 assets for a quarter of a second.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


async def in_session(
    work: Callable[[Session], Coroutine[Any, Any, _R]],
    options: DownloadOptions,
    credentials: TaskCredentials = None,
    stops_others: bool = False,
) -> _R | State[Any]:
    """Returns the result of the work of a task, or the state Cancelled if its run stops it.

    The session is that of the flow around, if that awaits the task in its own loop, or else one of
    its own.

    Args:
        work: The work, which gets the session.
        options: The options of the task.
        credentials: Those that are wanted; None for those of the run around.
        stops_others: Whether the other tasks of the run stop if this one fails, with `fail_fast`.

    Raises:
        ConfigError: Credentials are not saved, or not complete.
    """
    config, limit = options.config(), options.max_concurrent_downloads
    around = _current.get()
    if (
        around is not None
        and _is_of_this_loop(around)
        and around.config == config
        and (credentials is None or around.credentials == listed(credentials))
    ):
        return await unless_stopping(work(around), around, config.fail_fast)
    send_library_logs()
    watch = RunWatch.of_task(around, config.fail_fast)
    stopped = await watch.stopped()
    if stopped is not None:
        return stopped
    async with (
        failing_with_run(stops_others and config.fail_fast),
        open_session(config, limit, credentials) as own,
    ):
        return await watch.until_stopped(work(own), own)


async def stopped_with_run(
    work: Callable[[], Coroutine[Any, Any, _R]], fail_fast: bool
) -> _R | State[Any]:
    """Returns the result of work that needs no session, or the state Cancelled.

    Args:
        work: The work.
        fail_fast: Whether the first failure stops the run.
    """
    around = _current.get()
    if around is not None and _is_of_this_loop(around):
        return await unless_stopping(work(), around, fail_fast)
    watch = RunWatch.of_task(around, fail_fast)
    stopped = await watch.stopped()
    return await watch.until_stopped(work()) if stopped is None else stopped


def _is_of_this_loop(session: Session) -> bool:
    return session.loop is asyncio.get_running_loop()
