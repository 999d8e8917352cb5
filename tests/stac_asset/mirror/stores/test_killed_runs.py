"""A run of a mirror in a bucket that is killed. A run elsewhere completes the mirror."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from stac_asset import Config
from stac_asset.testing import Origin, Stall
from tests.support.mirror_runs import build_item, serve_items
from tests.support.paths import ROOT
from tests.support.processes import wait_until
from tests.support.s3_buckets import KEY, SECRET
from tests.support.s3_destinations import Bucket
from tests.support.store_mirrors import (
    HttpReader,
    items_of,
    mirror_url,
    run_in_bucket,
    store_config,
)

PROGRAM = """
import asyncio, sys
from stac_asset import Config
from tests.support.mirror_runs import run_mirror
from tests.support.store_mirrors import store_config

url, href, endpoint, key, secret = sys.argv[1:]
store = Config(
    destination_endpoint_url=endpoint,
    destination_access_key_id=key,
    destination_secret_access_key=secret,
)
asyncio.run(run_mirror(url, href, config=store_config(store), on_removed="delete"))
"""


async def new_files(bucket: Bucket) -> set[str]:
    """Return the stored files of new items."""
    keys = {key.removeprefix(f"{bucket.prefix}/things/") for key in await bucket.keys()}
    return {key.removesuffix(".tif") for key in keys if key.startswith("new-")}


async def written(bucket: Bucket, key: str) -> str:
    """Return the mark of the request that wrote an object."""
    return str((await bucket.head(key))["Metadata"])


async def test_killed_run_is_completed_on_another_machine(
    origin: Origin, bucket: Bucket, store: Config, tmp_path: Path
) -> None:
    config = store_config(store)
    href = serve_items(origin, items_of(origin, "stays", "gone", "changes"))
    await run_in_bucket(bucket, href, config)
    changed = build_item(origin, "changes")
    changed["properties"]["updated"] = "2026-06-09T00:00:00Z"
    new = [build_item(origin, name, "a", "b") for name in ("new-1", "new-2")]
    serve_items(origin, [*items_of(origin, "stays"), changed, *new])
    origin.fault("/new-2/b.tif", Stall(50))
    origin.forget()
    changed_file = "things/changes/data.tif"
    before = await written(bucket, changed_file)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, mirror_url(bucket), href),
        *(str(config.destination_endpoint_url), KEY, SECRET),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    await wait_until(lambda: origin.gets("/new-2/b.tif") or process.returncode is not None)
    # The files of all other assets are in the bucket before the kill.
    others = {"new-1/a", "new-1/b", "new-2/a"}
    while not others <= await new_files(bucket) or await written(bucket, changed_file) == before:
        await asyncio.sleep(0.05)
    process.kill()
    assert await process.wait() == -signal.SIGKILL
    assert HttpReader(bucket).check() == {"stays", "gone", "changes"}
    assert await bucket.content(".mirror/lock.json") is not None

    origin.forget()
    origin.heal()
    await run_in_bucket(bucket, href, config, on_removed="delete")
    assert {request.path for request in origin.gets("*.tif")} == {"/new-2/b.tif"}
    assert HttpReader(bucket).check() == {"stays", "changes", "new-1", "new-2"}
    keys = {key.removeprefix(f"{bucket.prefix}/") for key in await bucket.keys()}
    assert {key for key in keys if key.startswith("things/")} == {
        "things/collection.json",
        *(f"things/{name}/{name}.json" for name in ("stays", "changes", "new-1", "new-2")),
        *(f"things/{name}/data.tif" for name in ("stays", "changes")),
        *(f"things/new-{number}/{key}.tif" for number in (1, 2) for key in "ab"),
    }
    state = {".mirror/index.ndjson", ".mirror/parquet.json"}
    assert {key for key in keys if key.startswith(".")} == state
    assert await bucket.uploads() == []


async def test_files_of_an_earlier_version_are_not_taken_for_the_new_one(
    origin: Origin, bucket: Bucket, store: Config
) -> None:
    config = store_config(store)
    item = build_item(origin, "one", "a", "b")
    href = serve_items(origin, [item])
    await run_in_bucket(bucket, href, config)
    item["properties"]["updated"] = "2026-06-09T00:00:00Z"
    serve_items(origin, [item])
    await run_in_bucket(bucket, href, config, stop_after=0)
    origin.forget()
    await run_in_bucket(bucket, href, config)
    assert {request.path for request in origin.gets("*.tif")} == {"/one/a.tif", "/one/b.tif"}
