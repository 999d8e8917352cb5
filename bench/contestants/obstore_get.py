"""obstore, Python bindings of the Rust crate object_store, used as in the obstore documentation."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import obstore
from obstore.store import HTTPStore, S3Store

from bench.contestants.pairs import CONCURRENCY, Pairs, run, split


def _store(url: str) -> Any:
    root, _ = split(url)
    if not root.startswith("s3://"):
        return HTTPStore.from_url(root, client_options={"allow_http": True})
    return S3Store(
        root.removeprefix("s3://"),
        endpoint=os.environ["AWS_ENDPOINT_URL"],
        region="us-east-1",
        access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
        secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        client_options={"allow_http": True},
    )


async def _download(pairs: Pairs) -> None:
    waiting = iter(pairs)
    store = _store(pairs[0][0])

    async def work() -> None:
        for url, path in waiting:
            answer = await obstore.get_async(store, split(url)[1])
            with path.open("wb") as file:
                async for chunk in answer.stream():
                    file.write(chunk)

    await asyncio.gather(*(work() for _ in range(CONCURRENCY)))


if __name__ == "__main__":
    run(_download, asyncio.Runner())
    # The threads of obstore sometimes abort the process during the shutdown of Python.
    sys.stdout.flush()
    os._exit(0)
