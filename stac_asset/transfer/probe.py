"""Asks the sources of planned assets what they have, without fetching it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

from stac_asset.concurrency import bounded
from stac_asset.config import DEFAULT_MAX_CONCURRENT_DOWNLOADS, Config
from stac_asset.error_mapping import mapped, mapped_errors
from stac_asset.errors import StacAssetError
from stac_asset.hrefs import parse_href
from stac_asset.transfer.interface import Source, Sources, Stat
from stac_asset.transfer.retry import retrying
from stac_asset.types import Candidate, Transfer

_ATTEMPTS = 3
"""How often a source is asked at most: who looks ahead would rather not know than wait."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What there is to know of one planned asset."""

    candidate: Candidate
    """The first of the candidates that can be had, or the preferred one where none can."""

    client: str | None
    """The name of the client that is for it, if one is."""

    stat: Stat | None = None
    """What the source says; None where it was not asked, or did not say."""

    error: StacAssetError | None = None
    """Why the source does not say."""


async def survey(
    transfers: Sequence[Transfer],
    clients: Sources,
    config: Config,
    limit: int = DEFAULT_MAX_CONCURRENT_DOWNLOADS,
    trust_sizes: bool = False,
) -> list[Finding]:
    """Returns what there is to know of each planned asset, in their order.

    Args:
        transfers: What is planned.
        clients: The clients of the run.
        config: How often to ask, and how long.
        limit: How many sources are asked at once, at most.
        trust_sizes: Whether those are not asked at all whose asset says `file:size`.
    """
    findings: dict[int, Finding] = {}

    async def ask(index: int) -> None:
        transfer = transfers[index]
        asked = transfer.size is None or not trust_sizes
        findings[index] = await _find(transfer, clients, config, asked)

    limit = max(1, min(limit, config.max_connections_per_host))
    async with aclosing(bounded(ask, range(len(transfers)), limit)) as asking:
        async for _ in asking:
            pass
    return [findings[index] for index in range(len(transfers))]


async def _find(transfer: Transfer, clients: Sources, config: Config, ask: bool) -> Finding:
    first: Finding | None = None
    for candidate in transfer.candidates:
        name = None
        try:
            client = await clients.client_of(parse_href(candidate.href))
            name = client.name or type(client).__name__
            stat = await _stat(client, transfer, candidate, config) if ask else None
        except Exception as error:
            first = first or Finding(candidate, name, error=mapped(error, candidate.href))
        else:
            return Finding(candidate, name, stat)
    assert first is not None, "a transfer has at least one candidate"
    return first


async def _stat(client: Source, transfer: Transfer, candidate: Candidate, config: Config) -> Stat:
    async for attempt in retrying(config, _ATTEMPTS):
        with attempt, mapped_errors(candidate.href):
            async with asyncio.timeout(config.http_client_timeout):
                return await client.probe(candidate.href, transfer.content_type, candidate.storage)
    raise AssertionError("the last attempt returns or raises")
