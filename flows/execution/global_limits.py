"""Slots of Prefect's global concurrency limits: what runs on any number of machines share.

A limit is named `stac-asset:<host>`, and one slot of it stands for one connection. A batch takes
its slots of a host at once, before its first transfer: as many as it may have connections there,
and at most the limit. It never has more connections than slots, and gives them back in the end,
however it ends; those of a process that was killed come back when their lease is over.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from contextvars import ContextVar

from prefect import get_run_logger
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import ConcurrencyLeaseHolder
from prefect.client.schemas.responses import GlobalConcurrencyLimitResponse
from prefect.concurrency.asyncio import concurrency
from prefect.context import TaskRunContext
from prefect.exceptions import ObjectNotFound

from prefect_stac_asset.flows.execution.process_limits import CrossLoopSemaphore, ProcessLimits
from prefect_stac_asset.flows.parameters.options import LIMIT_PREFIX, DownloadOptions
from stac_asset.errors import ConfigError, HrefError
from stac_asset.hrefs import parse_href
from stac_asset.types import Transfer

_LEASE = 60.0
"""Seconds after which the slots of a process that was killed are free again; Prefect's least."""

_caps: ContextVar[Mapping[str, asyncio.Semaphore]] = ContextVar("caps", default={})  # noqa: B039
"""By host, a place for each slot that the batch around holds."""


def place_in_batch(limits: ProcessLimits, host: str) -> AbstractAsyncContextManager[None]:
    """Waits for a place at a host: of those that the batch around has slots for, then of the run's.

    Args:
        limits: The run's limits in this process.
        host: The host's name.
    """
    cap = _caps.get().get(host)
    return limits.host(host) if cap is None else _both(cap, limits.host(host))


@asynccontextmanager
async def _both(cap: asyncio.Semaphore, places: CrossLoopSemaphore) -> AsyncIterator[None]:
    async with cap, places:
        yield


@asynccontextmanager
async def slots_of(transfers: Iterable[Transfer], options: DownloadOptions) -> AsyncIterator[None]:
    """Holds slots of the limits that the options name, for the hosts of some transfers.

    A limit that does not exist, or is not active, limits nothing.

    Args:
        transfers: What is downloaded inside.
        options: How to download.

    Raises:
        ConfigError: A limit has no slots at all.
    """
    hosts = _hosts(transfers, options) if options.concurrency_limits else {}
    caps: dict[str, asyncio.Semaphore] = {}
    async with AsyncExitStack() as stack:
        # In the order of their names, so that no two batches wait for each other.
        for host, wanted in sorted(hosts.items()):
            name = LIMIT_PREFIX + host
            limit = await _read(name)
            if limit is None or not limit.active:
                continue
            count = min(wanted, limit.limit)
            if not count:
                raise ConfigError(
                    f"the concurrency limit '{name}' has no slots: "
                    f"give it some with `prefect gcl update {name} --limit 4`"
                )
            await stack.enter_async_context(_slots(name, count))
            caps[host] = asyncio.Semaphore(count)
        token = _caps.set(caps)
        try:
            yield
        finally:
            _caps.reset(token)


async def existing_limits(options: DownloadOptions) -> DownloadOptions:
    """Returns the options without the limits that do not exist; the run's log names these, once.

    Args:
        options: The options of a flow.
    """
    found = []
    for name in options.concurrency_limits:
        if await _read(name) is not None:
            found.append(name)
        else:
            get_run_logger().warning(
                "there is no concurrency limit '%s', so the run goes on without it: "
                "`prefect gcl create %s --limit 4` makes one",
                name,
                name,
            )
    return options.model_copy(update={"concurrency_limits": found})


def _hosts(transfers: Iterable[Transfer], options: DownloadOptions) -> dict[str, int]:
    """Returns how many connections there may be to each host that is limited."""
    wanted: Counter[str] = Counter()
    for transfer in transfers:
        wanted.update({host for c in transfer.candidates if (host := _host(c.href))})
    most = min(options.max_connections_per_host, options.max_concurrent_downloads)
    limited = set(options.concurrency_limits)
    return {
        host: min(count, most) for host, count in wanted.items() if LIMIT_PREFIX + host in limited
    }


def _host(href: str) -> str | None:
    try:
        return parse_href(href).host
    except HrefError:
        return None  # The trouble of its own asset, and left to that.


async def _read(name: str) -> GlobalConcurrencyLimitResponse | None:
    async with get_client() as client:
        try:
            return await client.read_global_concurrency_limit_by_name(name)
        except ObjectNotFound:
            return None


def _slots(name: str, count: int) -> AbstractAsyncContextManager[None]:
    context = TaskRunContext.get()
    holder = None
    if context is not None:
        holder = ConcurrencyLeaseHolder(type="task_run", id=context.task_run.id)
    return concurrency(name, occupy=count, lease_duration=_LEASE, holder=holder)
