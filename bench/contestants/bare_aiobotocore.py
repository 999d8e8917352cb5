"""A plain loop over an aiobotocore client, on uvloop, without retries or verification."""

from __future__ import annotations

import asyncio
import os

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from bench.contestants.pairs import CONCURRENCY, Pairs, run, split
from stac_asset.concurrency import new_runner


async def _download(pairs: Pairs) -> None:
    waiting = iter(pairs)
    async with get_session().create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=os.environ["AWS_ENDPOINT_URL"],
        config=AioConfig(max_pool_connections=CONCURRENCY, s3={"addressing_style": "path"}),
    ) as client:

        async def work() -> None:
            for url, path in waiting:
                bucket, key = split(url)
                answer = await client.get_object(Bucket=bucket.removeprefix("s3://"), Key=key)
                async with answer["Body"] as body:
                    path.write_bytes(await body.read())

        await asyncio.gather(*(work() for _ in range(CONCURRENCY)))


if __name__ == "__main__":
    run(_download, new_runner())
