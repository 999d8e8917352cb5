"""Internal: downloads the items of a run of a mirror by an engine of this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from stac_asset.concurrency import bounded
from stac_asset.mirror.planning import Prepared
from stac_asset.mirror.run import MirrorUpdate
from stac_asset.transfer.engine import Engine
from stac_asset.types import Outcome, Transfer, outcomes_per_asset


async def download_items(
    mirror: MirrorUpdate, engine: Engine, limit: int
) -> AsyncGenerator[tuple[Prepared, Sequence[Outcome]], None]:
    """Download the chosen items of a run, and yield each item with the outcomes of all assets.

    Args:
        mirror: The run, after `begin`.
        engine: The engine that downloads.
        limit: Maximum number of assets downloaded at the same time.
    """
    slots = asyncio.Semaphore(limit)

    async def download_one(entry: Transfer) -> Sequence[Outcome]:
        async with slots:
            return outcomes_per_asset(await engine.download(entry))

    async def download_item(prepared: Prepared) -> tuple[Prepared, Sequence[Outcome]]:
        transfers = [entry for entry in prepared.planned if isinstance(entry, Transfer)]
        done = await asyncio.gather(*map(download_one, transfers))
        failed = [entry for entry in prepared.planned if not isinstance(entry, Transfer)]
        return prepared, [*failed, *(outcome for outcomes in done for outcome in outcomes)]

    async with aclosing(bounded(download_item, mirror.prepared(), limit)) as done:
        async for prepared, outcomes in done:
            yield prepared, outcomes
