"""Slots of Prefect's global concurrency limits, which all runs on all machines share.

A limit is named `stac-asset:<host>`. One slot stands for one connection to the host.

A task run acquires all slots of a host together, before its first transfer. The number of slots is
the number of connections that the task run may open, or that of the limit if the limit has fewer
slots. A task run never has more connections than slots. The slots are released when the task run
ends. The slots of a killed process are released when their lease expires.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from prefect import get_run_logger
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import ConcurrencyLeaseHolder
from prefect.client.schemas.responses import GlobalConcurrencyLimitResponse
from prefect.concurrency.asyncio import concurrency
from prefect.context import TaskRunContext
from prefect.exceptions import ObjectNotFound

from prefect_stac_asset.flows.execution.process_limits import ProcessLimits
from prefect_stac_asset.flows.parameters.options import LIMIT_PREFIX, DownloadOptions
from stac_asset.errors import ConfigError, HrefError
from stac_asset.hrefs import parse_href
from stac_asset.transfer.host_connection import HostConnection
from stac_asset.types import Transfer

if TYPE_CHECKING:
    from prefect_stac_asset.flows.execution.budgets.session import SessionMeters

_LEASE_SECONDS = 60.0
"""Seconds until the slots of a killed process are released. Prefect's minimum."""

_held_slots: ContextVar[Mapping[str, asyncio.Semaphore]] = ContextVar(
    "held_slots",
    default={},  # noqa: B039
)
"""The slots that the current task run holds, by host."""


def connection_to_host(
    limits: ProcessLimits,
    meters: SessionMeters | None,
    host: str,
    endpoint: str | None = None,
) -> HostConnection:
    """Return a connection to a host, within the slots of the task run and the limits of the run.

    Args:
        limits: The limits of the run in this process.
        meters: The meters of the budgets of the run, if any.
        host: The name of the host, or of the bucket.
        endpoint: The host of the service, if `host` is a bucket.
    """
    meter = meters.of(host, endpoint) if meters is not None else None
    return limits.hosts.connection(host, endpoint, _held_slots.get().get(host), meter)


@asynccontextmanager
async def hold_slots(
    transfers: Iterable[Transfer], options: DownloadOptions
) -> AsyncIterator[None]:
    """Hold slots of `options.concurrency_limits` for the hosts of the given transfers.

    A limit that does not exist, or is not active, has no effect.

    Args:
        transfers: The transfers that are downloaded in this context.
        options: The options of the task.

    Raises:
        ConfigError: A limit has 0 slots.
    """
    hosts = _max_connections(transfers, options) if options.concurrency_limits else {}
    held: dict[str, asyncio.Semaphore] = {}
    async with AsyncExitStack() as stack:
        # Sorted by name, so that two task runs cannot wait for each other.
        for host, wanted in sorted(hosts.items()):
            name = LIMIT_PREFIX + host
            limit = await _read_limit(name)
            if limit is None or not limit.active:
                continue
            count = min(wanted, limit.limit)
            if not count:
                raise ConfigError(
                    f"Concurrency limit '{name}' has 0 slots. "
                    f"Add slots with `prefect gcl update {name} --limit 4`."
                )
            await stack.enter_async_context(_acquire(name, count))
            held[host] = asyncio.Semaphore(count)
        token = _held_slots.set(held)
        try:
            yield
        finally:
            _held_slots.reset(token)


async def without_missing_limits(options: DownloadOptions) -> DownloadOptions:
    """Return the options without the concurrency limits that do not exist.

    Each missing limit is logged once, as a warning.

    Args:
        options: The options of a flow.
    """
    found = []
    for name in options.concurrency_limits:
        if await _read_limit(name) is not None:
            found.append(name)
        else:
            get_run_logger().warning(
                "Concurrency limit '%s' does not exist and is ignored. "
                "Create it with `prefect gcl create %s --limit 4`.",
                name,
                name,
            )
    return options.model_copy(update={"concurrency_limits": found})


def _max_connections(transfers: Iterable[Transfer], options: DownloadOptions) -> dict[str, int]:
    """Return the maximum number of connections to each host that has a limit."""
    wanted: Counter[str] = Counter()
    for transfer in transfers:
        wanted.update({host for c in transfer.candidates if (host := _host(c.href))})
    maximum = min(options.max_connections_per_host, options.max_concurrent_downloads)
    limited = set(options.concurrency_limits)
    return {
        host: min(count, maximum)
        for host, count in wanted.items()
        if LIMIT_PREFIX + host in limited
    }


def _host(href: str) -> str | None:
    try:
        return parse_href(href).host
    except HrefError:
        return None  # The download of this asset raises the error.


async def _read_limit(name: str) -> GlobalConcurrencyLimitResponse | None:
    async with get_client() as client:
        try:
            return await client.read_global_concurrency_limit_by_name(name)
        except ObjectNotFound:
            return None


def _acquire(name: str, count: int) -> AbstractAsyncContextManager[None]:
    context = TaskRunContext.get()
    holder = None
    if context is not None:
        holder = ConcurrencyLeaseHolder(type="task_run", id=context.task_run.id)
    return concurrency(name, occupy=count, lease_duration=_LEASE_SECONDS, holder=holder)
