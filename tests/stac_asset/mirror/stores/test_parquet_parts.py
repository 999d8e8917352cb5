"""The folder `items.parquet` of a mirror in a bucket."""

from __future__ import annotations

import json

from stac_asset import Config
from stac_asset.api.destinations import RunDestinations
from stac_asset.concurrency import in_executor
from stac_asset.destinations.location import location_of
from stac_asset.mirror.layout import document_path
from stac_asset.mirror.output.item_documents import write_row
from stac_asset.mirror.output.parquet import write_parquet
from stac_asset.mirror.output.parquet_record import ParquetRecord, read_record
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.index import read_state
from stac_asset.mirror.storage.open import open_storage
from stac_asset.testing import Origin
from tests.support.large_mirrors import shard_of_item
from tests.support.mirror_runs import serve_items
from tests.support.s3_destinations import Bucket
from tests.support.store_mirrors import items_of, mirror_url, run_in_bucket, store_config


async def test_parts_replace_the_file_and_only_parts_of_changed_items_are_replaced(
    origin: Origin, bucket: Bucket, store: Config
) -> None:
    config, key = store_config(store), Key("things", "one")
    await run_in_bucket(bucket, serve_items(origin, items_of(origin, "one", "two")), config)
    async with (
        RunDestinations(config) as destinations,
        open_storage(location_of(mirror_url(bucket)), destinations) as storage,
    ):

        def write() -> tuple[ParquetRecord, ParquetRecord]:
            rows = read_state(storage).rows
            write_parquet(storage, rows, read_record(storage), 1, 1)
            first = read_record(storage)
            document = json.loads(storage.read(document_path(key)) or b"")
            document["properties"]["datetime"] = "2027-01-01T00:00:00Z"
            rows[key] = write_row(document, key, storage)
            write_parquet(storage, rows, first, 1, 1)
            return first, read_record(storage)

        first, second = await in_executor(storage.executor, write)
    changed = {name for name in first.parts if second.parts[name] != first.parts[name]}
    assert changed == {shard_of_item("one").split(".")[0]}
    assert (second.is_current, len(second.parts)) == (True, 16)
    keys = {key.removeprefix(f"{bucket.prefix}/") for key in await bucket.keys()}
    assert {key for key in keys if key.startswith("items.parquet")} == {
        f"items.parquet/{name}.parquet" for name in second.parts
    }
