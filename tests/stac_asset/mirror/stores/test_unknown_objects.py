"""Objects in mirrors that no record names, in a prefix of a bucket."""

from __future__ import annotations

import pytest

from stac_asset import Config
from stac_asset.api.destinations import RunDestinations
from stac_asset.destinations.location import StorePath
from stac_asset.destinations.s3.keys import extra_note_key, note_key
from stac_asset.errors import DestinationError
from stac_asset.mirror.storage.open import open_storage
from stac_asset.mirror.unknown_files import unknown_objects
from stac_asset.testing import Origin
from tests.support.mirror_runs import serve_items
from tests.support.s3_destinations import Bucket
from tests.support.store_mirrors import items_of, mirror_url, run_in_bucket, store_config

FILE = "things/one/data.tif"


async def test_unknown_objects_are_listed_and_removed_on_request(
    origin: Origin, bucket: Bucket, store: Config
) -> None:
    href = serve_items(origin, items_of(origin, "one", "two"))
    await run_in_bucket(bucket, href, store_config(store))
    # Two runs that upload to the same key write two notes.
    assert await bucket.content(FILE) is not None
    await bucket.put(note_key(FILE), b"{}")
    await bucket.put(extra_note_key(FILE, "0123abcd"), b"{}")
    known = await bucket.keys()
    top = StorePath.parse(mirror_url(bucket))
    names = ["notes.txt", "things/one/.old.tif.part.json", "things/one/old.tif", "things/x/y.tif"]
    for name in (*names, "report.ndjson"):
        await bucket.put(name, b"x")
    await bucket.client.put_object(Bucket=bucket.name, Key="own.txt", Body=b"not in a mirror")
    keep = [f"{top}/report.ndjson"]
    expected = [f"{top}/{name}" for name in names]
    for place in (top, StorePath(top.store)):
        async with RunDestinations(store_config(store)) as destinations:
            assert await unknown_objects(place, destinations, keep=keep) == expected
    async with RunDestinations(store_config(store)) as destinations:
        assert await unknown_objects(top, destinations, remove=True, keep=keep) == expected
        assert await unknown_objects(top, destinations, keep=keep) == []
    others = {"own.txt", f"{bucket.prefix}/report.ndjson"}
    assert set(await bucket.keys()) == {*known, *others}
    second = await run_in_bucket(bucket, href, store_config(store))
    assert second.reasons == {}


async def test_unknown_objects_are_not_removed_during_a_run(
    origin: Origin, bucket: Bucket, store: Config
) -> None:
    href = serve_items(origin, items_of(origin, "one"))
    await run_in_bucket(bucket, href, store_config(store))
    await bucket.put("things/one/old.tif", b"x")
    top = StorePath.parse(mirror_url(bucket))
    async with (
        RunDestinations(store_config(store)) as destinations,
        open_storage(top, destinations),
    ):
        with pytest.raises(DestinationError):
            await unknown_objects(top, destinations, remove=True)
        assert await unknown_objects(top, destinations) == [f"{top}/things/one/old.tif"]
    assert await bucket.content("things/one/old.tif") == b"x"
