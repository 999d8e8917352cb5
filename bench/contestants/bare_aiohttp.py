"""A plain loop over aiohttp, on uvloop, without retries or verification."""

from __future__ import annotations

import asyncio

import aiohttp

from bench.contestants.pairs import CONCURRENCY, Pairs, run
from stac_asset.concurrency import new_runner


async def _download(pairs: Pairs) -> None:
    waiting = iter(pairs)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def work() -> None:
            for url, path in waiting:
                async with session.get(url) as response:
                    response.raise_for_status()
                    with path.open("wb") as file:
                        async for chunk in response.content.iter_any():
                            file.write(chunk)

        await asyncio.gather(*(work() for _ in range(CONCURRENCY)))


if __name__ == "__main__":
    run(_download, new_runner())
