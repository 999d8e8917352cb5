"""Audits of mirrors in object stores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stac_asset import Config
from stac_asset.audit import audit_mirror
from stac_asset.testing import Origin, S3Proxy
from tests.support.audits import found_of_row
from tests.support.mirror_runs import build_item, serve_items
from tests.support.s3_destinations import Bucket
from tests.support.store_mirrors import mirror_url, run_in_bucket, store_config


async def test_audit_lists_the_bucket_once_and_requests_no_asset(
    origin: Origin, bucket: Bucket, store: Config, proxy: S3Proxy, tmp_path: Path
) -> None:
    config = store_config(store)
    names = ("one", "two", "gone", "ruined")
    items = [build_item(origin, name, "a", "b") for name in names]
    href = serve_items(origin, items)
    await run_in_bucket(bucket, href, config)
    origin.forget()
    proxy.clear()
    summary = await audit_mirror(href, mirror_url(bucket), config=config)
    assert (summary.differences, summary.complete) == (0, True)
    # One listing checks the access.
    assert len(proxy.received("ListObjectsV2")) == 2
    assert proxy.received("HeadObject") == proxy.received("PutObject") == []
    assert [request.key for request in proxy.received("GetObject", "*.tif")] == []
    assert len(proxy.received("GetObject", "*/things/*/*.json")) == 0
    assert origin.gets("*.tif") == []

    async def put(key: str, data: bytes) -> None:
        await bucket.client.put_object(
            Bucket=bucket.name, Key=f"{bucket.prefix}/{key}", Body=data, ACL="public-read"
        )

    await bucket.client.delete_object(Bucket=bucket.name, Key=f"{bucket.prefix}/things/one/a.tif")
    await put("things/ruined/b.tif", b"short")
    await put("things/stray.tif", b"stray")
    # A mirror in a folder has its own records.
    await put("inner/.mirror/index.ndjson", b"")
    await put("inner/things/x.tif", b"x")
    serve_items(origin, [items[0], items[1], items[3], build_item(origin, "new")])
    rows: list[Any] = []
    await audit_mirror(href, mirror_url(bucket), config=config, on_row=rows.append)
    expected = {
        ("missing", "one", "a"),
        ("corrupt", "ruined", "b"),
        ("inconsistent", "things/stray.tif", None),
        ("extra", "gone", None),
        ("missing", "new", None),
    }
    assert {found_of_row(row) for row in rows} == expected
    rows.clear()
    summary = await audit_mirror(
        href,
        mirror_url(bucket),
        config=config,
        repair=True,
        on_removed="delete",
        on_row=rows.append,
    )
    assert [found_of_row(row) for row in rows if not row["repaired"]] == [
        ("inconsistent", "things/stray.tif", None)
    ]
    assert {found_of_row(row) for row in rows} == expected
    assert (summary.repaired, summary.complete) == (4, True)
    assert await bucket.content("things/ruined/b.tif") == origin.content("/ruined/b.tif?size=100")
    assert await bucket.content("things/gone/gone.json") is None
