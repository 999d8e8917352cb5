"""Runs of a mirror in a bucket: changes, removed items, absolute hrefs, and readers."""

from __future__ import annotations

import json
from pathlib import Path

import pystac
import pytest
from pystac.stac_io import DefaultStacIO

from stac_asset import Config
from stac_asset.errors import ConfigError
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.stac.item_files import read_items
from stac_asset.testing import Origin, S3Proxy, Status
from tests.support.mirror_runs import NOW, build_item, serve_api, serve_items
from tests.support.s3_destinations import Bucket
from tests.support.store_mirrors import (
    HttpReader,
    items_of,
    mirror_url,
    run_in_bucket,
    store_config,
)


async def test_mirror_in_a_bucket_follows_the_source(
    origin: Origin, bucket: Bucket, store: Config, tmp_path: Path
) -> None:
    config = store_config(store)
    href = serve_items(origin, items_of(origin, "one", "two", "three"))
    first = await run_in_bucket(bucket, href, config)
    assert set(first.reasons.values()) == {"NEW"}
    assert HttpReader(bucket).check() == {"one", "two", "three"}

    changed = items_of(origin, "one", "two", "four")
    changed[0]["assets"]["data"]["href"] = origin.href("/one/data_v2.tif?size=100")
    changed[1]["properties"]["title"] = "New"
    serve_items(origin, changed)
    origin.forget()
    second = await run_in_bucket(bucket, href, config, on_removed="delete")
    assert second.reasons == {"one": "CHANGED", "four": "NEW"}
    assert (second.metadata_ids, second.removed_ids) == ({"two"}, {"three"})
    assert {request.path for request in origin.gets("*.tif")} == {
        "/one/data_v2.tif",
        "/four/data.tif",
    }
    assert HttpReader(bucket).check() == {"one", "two", "four"}
    folders = [f"things/{name}" for name in ("one", "two", "four")]
    assert {key.removeprefix(f"{bucket.prefix}/") for key in await bucket.keys()} == {
        "catalog.json",
        "items.parquet",
        ".mirror/index.ndjson",
        ".mirror/parquet.json",
        "things/collection.json",
        *(f"{folder}/{folder.rpartition('/')[2]}.json" for folder in folders),
        "things/one/data_v2.tif",
        "things/two/data.tif",
        "things/four/data.tif",
    }
    parquet = tmp_path / "items.parquet"
    parquet.write_bytes(await bucket.content("items.parquet") or b"")
    assert {
        item["id"]: item["assets"]["data"]["href"] for item in read_items(parquet, "items")
    } == {
        "one": "./things/one/data_v2.tif",
        "two": "./things/two/data.tif",
        "four": "./things/four/data.tif",
    }


async def test_run_without_changes_reads_no_item_document(
    origin: Origin, bucket: Bucket, store: Config, proxy: S3Proxy
) -> None:
    config = store_config(store)
    href = serve_items(origin, items_of(origin, "one", "two"))
    await run_in_bucket(bucket, href, config)
    await run_in_bucket(bucket, href, config)  # Writes the GeoParquet file of the same second.
    proxy.clear()
    assert (await run_in_bucket(bucket, href, config)).reasons == {}
    assert [one.key for one in proxy.received("*", "*/things/*/*")] == []
    written = {one.key.rpartition("/")[2] for one in proxy.received("PutObject")}
    assert {name for name in written if not name.startswith(".stac-asset")} == {"lock.json"}
    await bucket.client.delete_object(
        Bucket=bucket.name, Key=f"{bucket.prefix}/.mirror/index.ndjson"
    )
    assert (await run_in_bucket(bucket, href, config)).reasons == {}


async def test_removed_item_is_marked(origin: Origin, bucket: Bucket, store: Config) -> None:
    config = store_config(store)
    href = serve_items(origin, items_of(origin, "one", "two"))
    await run_in_bucket(bucket, href, config)
    serve_items(origin, items_of(origin, "one"))
    await run_in_bucket(bucket, href, config, on_removed="mark", now=NOW)
    document = json.loads(await bucket.content("things/two/two.json") or b"")
    assert document["properties"]["deprecated"] is True
    assert HttpReader(bucket).check() == {"one", "two"}


async def test_times_and_positions_of_searches_are_in_the_prefix(
    origin: Origin, bucket: Bucket, store: Config
) -> None:
    config = store_config(store)
    href = serve_api(origin, items_of(origin, "one"))
    await run_in_bucket(bucket, href, config, criteria=Criteria(datetime="last 10 days"))
    searches = json.loads(await bucket.content(".mirror/searches.json") or b"")
    assert list(searches.values()) == ["2026-06-10T00:00:00Z"]


async def test_failed_item_is_retried(origin: Origin, bucket: Bucket, store: Config) -> None:
    config = store_config(store)
    href = serve_items(origin, [build_item(origin, "one", "a", "b"), build_item(origin, "two")])
    origin.fault("/one/b.tif", Status(404), times=0)
    first = await run_in_bucket(bucket, href, config)
    assert first.failed_ids == ["one"]
    assert HttpReader(bucket).check() == {"one", "two"}
    origin.heal()
    origin.forget()
    assert (await run_in_bucket(bucket, href, config)).reasons == {"one": "RETRY"}
    assert [request.path for request in origin.gets("*.tif")] == ["/one/b.tif"]
    assert HttpReader(bucket).check() == {"one", "two"}
    assert await bucket.content(".mirror/begun.ndjson") is None


async def test_absolute_hrefs_are_recognized_by_later_runs(
    origin: Origin, bucket: Bucket, store: Config
) -> None:
    config = store_config(store, absolute_hrefs=True)
    items = [build_item(origin, "one"), build_item(origin, "a b ü")]
    href = serve_items(origin, items)
    await run_in_bucket(bucket, href, config)
    document = json.loads(await bucket.content("things/one/one.json") or b"")
    assert document["assets"]["data"]["href"] == f"{mirror_url(bucket)}/things/one/data.tif"
    assert HttpReader(bucket).check() == {"one", "a b ü"}
    await bucket.client.delete_object(
        Bucket=bucket.name, Key=f"{bucket.prefix}/.mirror/index.ndjson"
    )
    await bucket.client.delete_object(
        Bucket=bucket.name, Key=f"{bucket.prefix}/things/one/data.tif"
    )
    assert (await run_in_bucket(bucket, href, config)).reasons == {"one": "FILES_MISSING"}
    serve_items(origin, items[:1])
    await run_in_bucket(bucket, href, config, on_removed="delete")
    assert not any("a b" in key for key in await bucket.keys())


async def test_foreign_catalog_is_refused_before_any_request_to_the_source(
    origin: Origin, bucket: Bucket, store: Config
) -> None:
    await bucket.put("catalog.json", b'{"type": "Catalog", "id": "mine"}')
    href = serve_items(origin, items_of(origin, "one"))
    with pytest.raises(ConfigError) as raised:
        await run_in_bucket(bucket, href, store_config(store))
    assert str(raised.value) == (
        f"`directory` '{mirror_url(bucket)}' has a catalog.json that was not written by a mirror. "
        "Choose another directory."
    )
    assert origin.gets("*") == []
    assert await bucket.keys() == [f"{bucket.prefix}/catalog.json"]


async def test_foreign_document_of_an_item_is_kept(
    origin: Origin, bucket: Bucket, store: Config
) -> None:
    await bucket.put("things/one/one.json", b"mine")
    href = serve_items(origin, items_of(origin, "one", "two"))
    for on_removed in ("keep", "delete"):
        run = await run_in_bucket(bucket, href, store_config(store), on_removed=on_removed)
        assert await bucket.content("things/one/one.json") == b"mine"
        assert HttpReader(bucket).check() == {"two"}
        assert run.failed_ids == (["one"] if on_removed == "keep" else [])
        serve_items(origin, items_of(origin, "two"))
    assert origin.gets("/one/*") == []


async def test_foreign_geoparquet_file_is_refused(
    origin: Origin, bucket: Bucket, store: Config
) -> None:
    await bucket.put("items.parquet", b"mine")
    href = serve_items(origin, items_of(origin, "one"))
    with pytest.raises(
        ConfigError, match=r"has a file items.parquet that was not written by a mir"
    ):
        await run_in_bucket(bucket, href, store_config(store))
    assert origin.gets("*") == []
    assert await bucket.keys() == [f"{bucket.prefix}/items.parquet"]


class _ObstoreIO(DefaultStacIO):
    """Reads `s3://` hrefs by obstore."""

    def __init__(self, bucket: Bucket) -> None:
        super().__init__()
        from obstore.store import S3Store

        self._store = S3Store(
            bucket.name,
            endpoint=bucket.endpoint,
            access_key_id="key",
            secret_access_key="secret",
            client_options={"allow_http": True},
        )
        self._root = f"s3://{bucket.name}/"

    def read_text_from_href(self, href: str) -> str:
        key = href.removeprefix(self._root)
        return bytes(self._store.get(key).bytes()).decode()


async def test_mirror_opens_with_pystac(origin: Origin, bucket: Bucket, store: Config) -> None:
    href = serve_items(origin, items_of(origin, "one", "two"))
    await run_in_bucket(bucket, href, store_config(store))
    reader = HttpReader(bucket)
    for root, stac_io in (
        (mirror_url(bucket), _ObstoreIO(bucket)),
        (reader.root.rstrip("/"), DefaultStacIO()),
    ):
        catalog = pystac.Catalog.from_file(f"{root}/catalog.json", stac_io=stac_io)
        items = {item.id: item for item in catalog.get_items(recursive=True)}
        assert set(items) == {"one", "two"}
        asset = items["one"].assets["data"]
        assert asset.get_absolute_href() == f"{root}/things/one/data.tif"
        assert items["one"].get_collection() is not None


async def test_mirror_on_a_service_without_conditional_requests(
    origin: Origin, bucket: Bucket, service: str, store: Config
) -> None:
    with S3Proxy(service, conditional=False) as proxy:
        config = store_config(store, destination_endpoint_url=proxy.url)
        href = serve_items(origin, items_of(origin, "one", "two"))
        await run_in_bucket(bucket, href, config, renewal=10)
        serve_items(origin, items_of(origin, "one", "three"))
        second = await run_in_bucket(bucket, href, config, on_removed="delete", renewal=10)
        assert (second.reasons, second.removed_ids) == ({"three": "NEW"}, {"two"})
        assert HttpReader(bucket).check() == {"one", "three"}
        assert not any(".part" in key or "lock" in key for key in await bucket.keys())


async def test_failed_reads_of_the_state_are_repeated(
    origin: Origin, bucket: Bucket, store: Config, proxy: S3Proxy
) -> None:
    config = store_config(store, s3_max_attempts=1)
    href = serve_items(origin, items_of(origin, "one", "two"))
    await run_in_bucket(bucket, href, config)
    serve_items(origin, items_of(origin, "one", "three"))
    for key in ("*/index.ndjson", "*/collection.json", "*/one.json"):
        proxy.fault("GetObject", Status(500), key=key)
    assert (await run_in_bucket(bucket, href, config)).reasons == {"three": "NEW"}
    assert HttpReader(bucket).check() == {"one", "two", "three"}
