"""The contract of destinations, on S3: moto, and rclone, which has no conditional requests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from stac_asset.destinations import Destination
from stac_asset.testing import DestinationContract
from tests.support.object_stores import locations_outside
from tests.support.s3_buckets import KEY, SECRET
from tests.support.s3_destinations import PART, Bucket
from tests.support.servers import rclone_s3


@pytest.fixture(scope="module")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve S3 from a folder, and return the endpoint."""
    with rclone_s3(tmp_path_factory.mktemp("rclone"), KEY, SECRET) as endpoint:
        yield endpoint


@pytest.fixture
async def rclone_bucket(rclone: str) -> AsyncIterator[Bucket]:
    """Return a new bucket of rclone."""
    async with Bucket.create(rclone) as bucket:
        yield bucket


class TestS3Destination(DestinationContract):
    part_size = PART
    resumes_digest = False

    @pytest.fixture(autouse=True)
    def _set_bucket(self, bucket: Bucket) -> None:
        self.bucket = bucket

    async def make_destination(self) -> Destination:
        return self.bucket.destination()

    async def content(self, key: str) -> bytes | None:
        return await self.bucket.content(key)

    async def has_leftovers(self) -> bool:
        return await self.bucket.has_leftovers()

    def location_of(self, key: str) -> str:
        return f"s3://{self.bucket.name}/{self.bucket.prefix}/{key}"

    def invalid_locations(self) -> list[str]:
        return locations_outside(f"s3://{self.bucket.name}/{self.bucket.prefix}")


class TestRcloneDestination(TestS3Destination):
    @pytest.fixture(autouse=True)
    def _set_bucket(self, rclone_bucket: Bucket) -> None:
        self.bucket = rclone_bucket

    async def test_signature_covers_special_characters_of_keys(self) -> None:
        """Other than moto, rclone checks signatures."""
        destination = self.bucket.destination()
        for key in ("item (1)/a b+c&d=e.tif", "ä/%41~*'!.tif", "a;b:c@d,e$f.tif"):
            await destination.write(key, b"content")
            assert await self.content(key) == b"content"
