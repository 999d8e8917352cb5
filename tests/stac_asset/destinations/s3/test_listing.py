"""The listings of folders that a destination keeps, and the documents that make them outdated."""

from __future__ import annotations

import pytest

from stac_asset.destinations.s3 import S3Destination
from stac_asset.destinations.values import Declared
from stac_asset.testing import S3Proxy
from tests.support.s3_destinations import Bucket

FILES = ("one/a.tif", "one/more/b.tif", "two/c.tif")


async def exist(destination: S3Destination) -> list[bool]:
    """Return for each file whether it exists."""
    found = [await destination.existing(key, Declared(), "none") for key in FILES]
    return [one is not None for one in found]


@pytest.mark.parametrize(
    ("document", "is_new"),
    [
        ("one/one.json", [True, True, False]),
        ("two/two.json", [False, False, True]),
        ("catalog.json", [True, True, True]),
        ("one/missing.json", [False, False, False]),
    ],
)
async def test_document_outdates_the_listings_of_its_folder_and_below(
    proxied: Bucket, proxy: S3Proxy, document: str, is_new: list[bool]
) -> None:
    destination = proxied.destination()
    for key in ("one/one.json", "two/two.json", "catalog.json"):
        await proxied.put(key, b"{}")
    assert await exist(destination) == [False, False, False]
    for key in FILES:
        await proxied.put(key, b"of another run")
    proxy.clear()
    await destination.read(document)
    assert await exist(destination) == is_new
    assert len(proxy.received("ListObjectsV2")) == sum(is_new)
    assert proxy.received("HeadObject") == []
