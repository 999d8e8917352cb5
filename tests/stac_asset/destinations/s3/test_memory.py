"""Memory of uploads in a process of their own: bounded by the buffers, not by the file sizes."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys

from stac_asset.testing import Delay, Origin, S3Proxy
from tests.support.items import item_document
from tests.support.paths import ROOT
from tests.support.s3_buckets import KEY, SECRET
from tests.support.s3_destinations import MIB, Bucket

SIZE = 96 * MIB
"""Size of a file in bytes."""

LIMIT = SIZE
"""Maximum growth in bytes. All uploads of a run share 36 MiB, and some 40 MiB were measured."""

_DOWNLOAD = """
import asyncio, json, os, sys
from bench.peak_memory import peak_memory
from stac_asset import Config, download_item

async def main(small, large, url, endpoint, key, secret):
    config = Config(
        destination_endpoint_url=endpoint,
        destination_access_key_id=key,
        destination_secret_access_key=secret,
    )
    await download_item(small, f"{url}/small", config=config)
    before = peak_memory()
    written = []
    sys.addaudithook(lambda event, values: is_written(event, values) and written.append(values[0]))
    await download_item(large, f"{url}/large", config=config)
    print(json.dumps([peak_memory() - before, written]))

def is_written(event, values):
    return event == "open" and bool(values[2] & (os.O_WRONLY | os.O_RDWR))

asyncio.run(main(*sys.argv[1:]))
"""


async def test_memory_does_not_grow_with_file_sizes_and_no_local_file_is_written(
    origin: Origin, bucket: Bucket, proxy: S3Proxy
) -> None:
    """The service stores parts more slowly than the source sends them."""
    proxy.fault("UploadPart", Delay(0.5), times=0)
    small = json.dumps(item_document(origin, "small"))
    large = json.dumps(item_document(origin, "a", "b"))
    for key in "ab":
        origin.put(f"/{key}.tif", size=SIZE)
    url = f"s3://{bucket.name}/{bucket.prefix}"
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", _DOWNLOAD, small, large, url, proxy.url, KEY, SECRET],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    growth, written = json.loads(done.stdout)
    assert growth < LIMIT
    assert written == []
    for key in "ab":
        assert (await bucket.head(f"large/{key}.tif"))["ContentLength"] == SIZE
