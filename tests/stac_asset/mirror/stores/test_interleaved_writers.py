"""A second writer that replaces a file of the state between two requests of a run."""

from __future__ import annotations

import asyncio
import itertools
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest
from aiohttp import ClientSession

from stac_asset.concurrency import in_executor
from stac_asset.destinations import VersionError
from stac_asset.destinations.location import StorePath
from stac_asset.errors import DestinationError
from stac_asset.mirror.layout import LOCK
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.mirror.storage.lease import Lease, held_lease
from stac_asset.mirror.storage.listing import Listing
from stac_asset.mirror.storage.store import StoreStorage
from stac_asset.testing import S3Proxy
from stac_asset.testing.s3_proxy import S3Request
from tests.support.s3_destinations import MIB, Bucket
from tests.support.store_mirrors import mirror_url

KEY, LARGE = ".mirror/index.ndjson", 5 * MIB
ORIGINAL, FIRST, LAST, OTHERS = b"original", b"first", b"last", b"of another run"


@dataclass
class OtherWriter:
    """Replaces an object after a number of requests of the run, before the last response.

    Attributes:
        url: The URL of the object, without the proxy.
        after: The number of requests of the run, if the object is to be replaced.
        requests: The number of requests so far.
        replaced: The start of the object that was replaced; empty if there was none.
    """

    url: str = ""
    after: int | None = None
    requests: int = 0
    replaced: bytes | None = None

    def __call__(self, request: S3Request) -> None:
        self.requests += 1
        if self.requests == self.after:
            self.write()

    def begin(self, after: int) -> None:
        """Count the requests of a run from now on."""
        self.after, self.requests, self.replaced = after, 0, None
        if after == 0:
            self.write()

    def write(self) -> None:
        """Replace the object."""
        try:
            with urllib.request.urlopen(self._request()) as response:
                self.replaced = response.read(16)
        except urllib.error.HTTPError:
            self.replaced = b""
        urllib.request.urlopen(self._request(OTHERS)).close()

    def _request(self, data: bytes | None = None) -> urllib.request.Request:
        headers = {
            "Authorization": "AWS4-HMAC-SHA256 Credential=other/20260101/us-east-1/s3/",
            "Content-Type": "application/octet-stream",
        }
        method = "GET" if data is None else "PUT"
        return urllib.request.Request(self.url, data, headers, method=method)


@pytest.fixture
def other() -> OtherWriter:
    """Return the other writer."""
    return OtherWriter()


@pytest.fixture
async def through(service: str, bucket: Bucket, other: OtherWriter) -> AsyncIterator[Bucket]:
    """Return the bucket behind a proxy that the other writer watches."""
    other.url = f"{service}/{bucket.name}/{bucket.prefix}/{KEY}"
    with S3Proxy(service, on_request=other) as proxy:
        async with Bucket.client_of(proxy.url) as client, ClientSession() as http:
            yield Bucket(proxy.url, bucket.name, client, http, bucket.prefix)


async def opened(bucket: Bucket, lease: Lease) -> StoreStorage:
    """Open the mirror of a bucket, as a new run does."""
    destination = bucket.destination()
    await destination.prepare()
    files = await Listing.read(destination.list_files())
    return StoreStorage(StorePath(mirror_url(bucket)), destination, files, lease, 4)


def replace_twice(storage: MirrorStorage) -> None:
    """Replace a file of lines twice, as a run does with `begun.ndjson`."""
    storage.write_blocks(KEY, [FIRST])
    storage.write_blocks(KEY, [LAST])


def replace_large(storage: MirrorStorage) -> None:
    """Replace a file by a multipart upload."""
    storage.write_blocks(KEY, [LAST + bytes(LARGE), bytes(MIB)])


def replace_document(storage: MirrorStorage) -> None:
    """Read a document, and replace the document twice."""
    storage.read(KEY)
    storage.write(KEY, FIRST)
    storage.write(KEY, LAST)


def remove_written(storage: MirrorStorage) -> None:
    """Replace a file of lines, and remove the file."""
    storage.write_blocks(KEY, [FIRST])
    storage.remove_document(KEY)


@pytest.mark.parametrize(
    ("update", "before", "result"),
    [
        (replace_twice, ORIGINAL, LAST),
        (replace_large, None, LAST),  # moto does not check `If-Match` of multipart uploads.
        (replace_document, ORIGINAL, LAST),
        (remove_written, None, b""),
    ],
)
async def test_update_of_another_writer_is_never_lost(
    bucket: Bucket,
    through: Bucket,
    other: OtherWriter,
    update: Callable[[MirrorStorage], None],
    before: bytes | None,
    result: bytes,
) -> None:
    refused = 0
    async with held_lease(through.destination(), mirror_url(bucket), renewal=600) as lease:
        for after in itertools.count():
            await bucket.client.delete_object(Bucket=bucket.name, Key=f"{bucket.prefix}/{KEY}")
            if before is not None:
                await bucket.put(KEY, before)
            storage = await opened(through, lease)
            other.begin(after)
            try:
                await in_executor(storage.executor, update, storage)
                assert other.replaced is None or other.replaced.rstrip(b"\0") == result
            except VersionError:
                refused += 1
                assert other.replaced is not None
            finally:
                other.after = None
                storage.close()
            if other.replaced is None:
                break
            # Either the run found the other object and failed, or it ended before.
            assert await bucket.content(KEY) == OTHERS
    assert refused >= 2


def read_document(storage: MirrorStorage) -> None:
    """Read a document."""
    storage.read(KEY)


@pytest.mark.parametrize("before", [ORIGINAL, None])
async def test_document_that_another_run_replaced_is_not_read(
    bucket: Bucket, before: bytes | None
) -> None:
    if before is not None:
        await bucket.put(KEY, before)
    async with held_lease(bucket.destination(), mirror_url(bucket)) as lease:
        storage = await opened(bucket, lease)
        await bucket.put(KEY, OTHERS)
        with pytest.raises(VersionError, match="was written by another run"):
            await in_executor(storage.executor, read_document, storage)
        storage.close()


@pytest.mark.parametrize(
    "change",
    [
        lambda storage: storage.write(KEY, FIRST),
        lambda storage: storage.write_blocks(KEY, [FIRST]),
        lambda storage: storage.remove(".mirror", ["index.ndjson"]),
        lambda storage: storage.remove_document(KEY),
    ],
    ids=["write", "write blocks", "remove", "remove document"],
)
async def test_nothing_changes_after_another_run_took_the_lease(
    bucket: Bucket, change: Callable[[MirrorStorage], None]
) -> None:
    await bucket.put(KEY, ORIGINAL)
    async with held_lease(bucket.destination(), mirror_url(bucket), renewal=0.05) as lease:
        storage = await opened(bucket, lease)
        await bucket.put(LOCK, OTHERS)
        await asyncio.wait_for(lease.lost.wait(), 60)
        with pytest.raises(VersionError, match="was written by another run"):
            await in_executor(storage.executor, change, storage)
        storage.close()
    assert await bucket.content(KEY) == ORIGINAL


async def test_lease_that_another_run_takes_at_the_same_time_is_refused(
    service: str, bucket: Bucket, through: Bucket, other: OtherWriter
) -> None:
    other.url = f"{service}/{bucket.name}/{bucket.prefix}/{LOCK}"
    destination = through.destination()
    await destination.prepare()
    other.begin(1)  # After the request that finds no lease.
    with pytest.raises(DestinationError, match="is being updated by another run"):
        async with held_lease(destination, mirror_url(bucket)):
            pass
    assert other.replaced == b""
    assert await bucket.content(LOCK) == OTHERS
