"""Asks the sources of planned assets for existence, size and media type, without downloading.

Dry runs, existence checks, mirrors and `stac-asset info` call this.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing, nullcontext
from dataclasses import dataclass

from stac_asset.concurrency import bounded
from stac_asset.config import DEFAULT_MAX_CONCURRENT_DOWNLOADS, Config
from stac_asset.error_mapping import mapped, mapped_errors
from stac_asset.errors import SchemeError, StacAssetError
from stac_asset.hrefs import parse_href
from stac_asset.transfer.content_check import empty_error
from stac_asset.transfer.host_connection import HostConnection
from stac_asset.transfer.host_limits import HostLimits, OpenConnection, connection_to
from stac_asset.transfer.interface import Source, Sources, Stat
from stac_asset.transfer.retry import retry
from stac_asset.types import Candidate, Transfer

_MAX_ATTEMPTS = 3
"""Maximum number of attempts, because a user is waiting for the answer."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The answer of the source of a planned asset."""

    candidate: Candidate
    """The first existing candidate, or the preferred candidate if no candidate exists."""

    client: str | None
    """The name of the client that claims the candidate, if any."""

    stat: Stat | None = None
    """The facts that the source reported, if the source was asked and has answered."""

    error: StacAssetError | None = None
    """The error of the probe."""


async def probe_all(
    transfers: Sequence[Transfer],
    clients: Sources,
    config: Config,
    limit: int = DEFAULT_MAX_CONCURRENT_DOWNLOADS,
    trust_sizes: bool = False,
    connect: OpenConnection | None = None,
) -> list[ProbeResult]:
    """Ask the sources of planned assets, and return the results in the order of the assets.

    Args:
        transfers: The planned assets.
        clients: The clients of the run.
        config: Retries and timeouts.
        limit: Maximum number of simultaneous requests. `Config.max_connections_per_host` also
            limits them.
        trust_sizes: Do not ask the sources of assets that declare `file:size`.
        connect: Returns a connection to a host. By default, the probes have limits of their own.
    """
    results: dict[int, ProbeResult] = {}
    connect = connect or HostLimits(config).connection

    async def probe_one(index: int) -> None:
        transfer = transfers[index]
        is_asked = transfer.size is None or not trust_sizes
        results[index] = await probe(transfer, clients, config, is_asked, connect)

    limit = max(1, min(limit, config.max_connections_per_host))
    async with aclosing(bounded(probe_one, range(len(transfers)), limit)) as probing:
        async for _ in probing:
            pass
    return [results[index] for index in range(len(transfers))]


async def probe(
    transfer: Transfer,
    clients: Sources,
    config: Config,
    is_asked: bool = True,
    connect: OpenConnection | None = None,
) -> ProbeResult:
    """Ask the sources of a planned asset, in order of preference, until a candidate exists.

    An empty file does not count as existing, unless the asset may be empty.

    Args:
        transfer: The planned asset.
        clients: The clients of the run.
        config: Retries and timeouts.
        is_asked: Whether to ask a source. Otherwise only the client is determined.
        connect: Returns a connection to a host. By default, the probe has limits of its own.
    """
    connect = connect or HostLimits(config).connection
    first: ProbeResult | None = None
    for candidate in transfer.candidates:
        name = None
        try:
            url = parse_href(candidate.href)
            client = await clients.client_of(url)
            name = client.name or type(client).__name__
            stat = None
            if is_asked:
                connection = connection_to(url, candidate.storage, client, connect)
                async with connection or nullcontext():
                    stat = await _probe(client, transfer, candidate, config, connection)
            if stat is not None and stat.size == 0:
                empty = empty_error(transfer, candidate, config)
                if empty is not None:
                    raise empty
        except Exception as error:
            if first is None or isinstance(first.error, SchemeError):
                first = ProbeResult(candidate, name, error=mapped(error, candidate.href))
        else:
            return ProbeResult(candidate, name, stat)
    assert first is not None, "a transfer has at least one candidate"
    return first


async def _probe(
    client: Source,
    transfer: Transfer,
    candidate: Candidate,
    config: Config,
    connection: HostConnection | None,
) -> Stat:
    meter = connection.meter if connection is not None else None

    async def ask_once() -> Stat:
        if meter is not None:
            await meter.wait_to_request()
        with mapped_errors(candidate.href):
            async with asyncio.timeout(config.http_client_timeout):
                return await client.probe(candidate.href, transfer.content_type, candidate.storage)

    async def ask() -> Stat:
        if connection is None:
            return await ask_once()
        while True:
            await connection.begin_request()
            try:
                stat = await ask_once()
                connection.begin_response(transfer)
                return stat
            except Exception as error:
                if not await connection.waits_after(error, transfer):
                    raise
            finally:
                connection.end_request()

    return await retry(ask, config, max_attempts=_MAX_ATTEMPTS)
