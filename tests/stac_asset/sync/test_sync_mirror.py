"""Runs of `sync_mirror`: destinations, stopped runs, and arguments."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from stac_asset import Config
from stac_asset.audit import audit_mirror
from stac_asset.errors import ConfigError, DestinationError, SourceError
from stac_asset.sync import Criteria, sync_mirror
from stac_asset.testing import Origin, Stall
from tests.support.mirror_runs import CONFIG, build_item, check_catalog, serve_items
from tests.support.s3_destinations import Bucket
from tests.support.store_mirrors import mirror_url, store_config


async def test_mirror_in_a_bucket_is_updated(origin: Origin, store: Config, bucket: Bucket) -> None:
    href = serve_items(origin, [build_item(origin, "one")])
    url, config = mirror_url(bucket), store_config(store)
    summary = await sync_mirror(href, url, config=config)
    assert (summary.items.new, summary.downloaded, summary.bytes) == (1, 1, 100)
    assert str(summary.items).startswith("1 item found: 1 new, 0 changed")
    assert (summary.report, summary.items.complete) == (f"{url}/sync.report.ndjson", True)
    origin.forget()
    href = serve_items(origin, [build_item(origin, "one"), build_item(origin, "two")])
    plan = await sync_mirror(href, url, config=config, dry_run=True)
    assert plan.plan is not None
    assert (plan.plan.requests, plan.downloaded, plan.mirrored) == (1, 0, 1)
    summary = await sync_mirror(href, url, Criteria(ids=("two",)), config)
    assert (summary.items.new, summary.mirrored) == (1, 2)
    assert [request.path for request in origin.gets("*.tif")] == ["/two/data.tif"]


async def test_cancelled_run_is_completed_by_the_next_run(origin: Origin, tmp_path: Path) -> None:
    href = serve_items(origin, [build_item(origin, "one"), build_item(origin, "two")])
    origin.fault("/two/data.tif", Stall(after=50))
    run = asyncio.create_task(sync_mirror(href, tmp_path, config=CONFIG))
    while not (tmp_path / "things/one/one.json").exists() or not origin.gets("/two/data.tif"):
        await asyncio.sleep(0.01)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    summary = await sync_mirror(href, tmp_path, config=CONFIG)
    assert (summary.items.complete, summary.mirrored) == (True, 2)
    check_catalog(tmp_path, {"one", "two"})
    assert len(origin.gets("/one/data.tif")) == 1


async def test_caller_s_configuration_is_not_changed(origin: Origin, tmp_path: Path) -> None:
    config = Config(retry_wait=0.01)
    await sync_mirror(serve_items(origin, [build_item(origin, "one")]), tmp_path, config=config)
    assert config.write_checksums is False


async def test_invalid_arguments_are_refused_before_the_first_request(
    origin: Origin, tmp_path: Path
) -> None:
    href = serve_items(origin, [build_item(origin, "one")])
    with pytest.raises(ConfigError, match="`max_items` must be at least 1"):
        await sync_mirror(href, tmp_path, max_items=0)
    with pytest.raises(ConfigError, match="include"):
        await sync_mirror(href, tmp_path, config=Config(include=["a"], exclude=["b"]))
    for call in (sync_mirror, audit_mirror):
        for arguments, text in (
            ({"config": {"include": ["a"]}}, "`config` must be a `Config`, not dict"),
            ({"search": {"ids": ["a"]}}, "`search` must be a `Criteria`, not dict"),
            ({"on_removed": "del"}, "`on_removed` must be keep or mark or delete, not 'del'"),
            ({"max_concurrent_downloads": "5"}, "`max_concurrent_downloads` must be an integer"),
            ({"max_concurrent_downloads": 0}, "`max_concurrent_downloads` must be an integer"),
        ):
            given: Any = arguments
            with pytest.raises(ConfigError, match=text):
                await call(href, tmp_path, **given)
        missing: Any = None
        with pytest.raises(SourceError, match="`source` is of type None"):
            await call(missing, tmp_path)
    limit: Any = "3"
    with pytest.raises(ConfigError, match="`max_items` must be an integer, not str"):
        await sync_mirror(href, tmp_path, max_items=limit)
    (tmp_path / "file").write_text("")
    with pytest.raises(DestinationError, match="Not a directory"):
        await sync_mirror(href, tmp_path / "file" / "mirror")
    assert origin.requests == []


async def test_source_may_be_a_path(origin: Origin, tmp_path: Path) -> None:
    source = tmp_path / "items.json"
    document = {"type": "FeatureCollection", "features": [build_item(origin, "one")]}
    source.write_text(json.dumps(document))
    summary = await sync_mirror(source, tmp_path / "mirror")
    assert (summary.items.new, summary.errors) == (1, ())
    assert (await audit_mirror(source, tmp_path / "mirror")).complete
