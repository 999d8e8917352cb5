"""Shards of the index of a mirror in a bucket."""

from __future__ import annotations

import copy

from stac_asset import Config
from stac_asset.testing import Origin
from tests.support.large_mirrors import shard_of_item
from tests.support.mirror_runs import serve_items
from tests.support.s3_destinations import Bucket
from tests.support.store_mirrors import items_of, run_in_bucket, store_config

COUNT = 510


async def test_run_with_short_answer_continues_mirror_with_shards(
    origin: Origin, bucket: Bucket, store: Config
) -> None:
    names = [f"item-{number:03}" for number in range(COUNT)]
    items = [item | {"assets": {}} for item in items_of(origin, *names)]
    href, config = serve_items(origin, items), store_config(store)
    first = await run_in_bucket(bucket, href, config)
    assert len(first.reasons) == COUNT

    changed = copy.deepcopy(items[7])
    changed["properties"]["note"] = "new"
    serve_items(origin, [changed, items[8]])
    run = await run_in_bucket(bucket, href, config)
    assert run.metadata_ids == {"item-007"}
    assert (run.mirror.changes.unchanged, len(run.mirror.changes.state.rows)) == (1, COUNT)
    keys = set(await bucket.keys())
    assert f"{bucket.prefix}/.mirror/index/{shard_of_item('item-007')}" in keys
    assert f"{bucket.prefix}/.mirror/index.json" in keys

    serve_items(origin, items)
    last = await run_in_bucket(bucket, href, config)
    assert (last.reasons, last.metadata_ids) == ({}, {"item-007"})
    assert last.mirror.changes.unchanged == COUNT - 1
    assert last.mirror.changes.state.documents_read == 0
