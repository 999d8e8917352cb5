"""Runs of a mirror in Google Cloud Storage."""

from __future__ import annotations

from stac_asset.testing import Origin
from tests.support.gcs_service import gcs_service
from tests.support.mirror_runs import CONFIG, run_mirror, serve_items
from tests.support.object_stores import GcsBucket
from tests.support.store_mirrors import items_of


async def test_mirror_follows_the_source(origin: Origin) -> None:
    config, url = CONFIG.copy(), "gs://bucket/mirror"
    async with gcs_service() as service:
        config.destination_identity = GcsBucket(service).identity
        href = serve_items(origin, items_of(origin, "one", "two", "three"))
        first = await run_mirror(url, href, config=config)
        assert set(first.reasons.values()) == {"NEW"}
        assert (await run_mirror(url, href, config=config)).reasons == {}
        serve_items(origin, items_of(origin, "one", "two"))
        last = await run_mirror(url, href, config=config, on_removed="delete")
        assert last.removed_ids == {"three"}
        keys = {key.removeprefix("mirror/") for key in service.objects}
    assert keys == {
        *("catalog.json", "items.parquet", "things/collection.json"),
        *(".mirror/index.ndjson", ".mirror/parquet.json"),
        *(f"things/{name}/{name}.json" for name in ("one", "two")),
        *(f"things/{name}/data.tif" for name in ("one", "two")),
    }
