"""Buckets of S3 services as destinations, which tests read without the code under test."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from aiohttp import ClientSession

from stac_asset.destinations.s3 import (
    DirectConnection,
    ObjectSettings,
    S3Destination,
    S3Store,
)
from stac_asset.destinations.s3.parts import MAX_HELD
from tests.support.s3_buckets import KEY, SECRET
from tests.support.servers import moto_s3

MIB = 1024 * 1024
PART = 5 * MIB
"""Size of the parts in tests: the smallest that S3 allows."""


@contextmanager
def moto_service() -> Iterator[str]:
    """Serve S3 from memory, and yield the endpoint."""
    with moto_s3() as endpoint:
        yield endpoint


@dataclass
class Bucket:
    """A bucket of a service, with a botocore client.

    Attributes:
        endpoint: The URL of the service.
        name: The name of the bucket.
        client: An open client of aiobotocore.
        http: A session for requests without botocore, if any.
    """

    endpoint: str
    name: str
    client: Any
    http: ClientSession | None = None
    prefix: str = "mirror/data"
    numbers: ClassVar[Iterator[int]] = itertools.count(1)

    @classmethod
    @asynccontextmanager
    async def create(cls, endpoint: str, attempts: int = 3) -> AsyncIterator[Bucket]:
        """Create a bucket, and open a client.

        Args:
            endpoint: The URL of the service.
            attempts: Maximum number of attempts of a request.
        """
        async with cls.client_of(endpoint, attempts) as client, ClientSession() as http:
            name = f"bucket-{next(cls.numbers)}"
            await client.create_bucket(Bucket=name)
            yield cls(endpoint, name, client, http)

    @staticmethod
    @asynccontextmanager
    async def client_of(endpoint: str, attempts: int = 3) -> AsyncIterator[Any]:
        """Open a client of a service."""
        config = AioConfig(
            s3={"addressing_style": "path", "payload_signing_enabled": False},
            retries={"mode": "standard", "total_max_attempts": attempts},
        )
        # The certificates, which HTTP does not need, take 15 ms.
        async with _session().create_client(
            "s3", region_name="us-east-1", endpoint_url=endpoint, config=config, verify=False
        ) as client:
            yield client

    def destination(
        self,
        part: int = PART,
        settings: ObjectSettings | None = None,
        largest_held: int = MAX_HELD,
        machine: str = "",
        start_timeout: float = 0.0,
    ) -> S3Destination:
        """Return a new destination, as a later run on a machine would."""
        return S3Destination(
            self.store(settings),
            self.prefix,
            machine or self.endpoint,
            part,
            largest_held,
            start_timeout=start_timeout,
        )

    def store(self, settings: ObjectSettings | None = None) -> S3Store:
        """Return the requests to the bucket."""

        async def connect() -> Any:
            return self.client

        async def direct() -> DirectConnection:
            assert self.http is not None
            return DirectConnection(self.client, _session(), self.http)

        has_http = self.http is not None
        return S3Store(connect, self.name, settings, direct=direct if has_http else None)

    async def head(self, key: str) -> dict[str, Any]:
        """Return the response to a HEAD request."""
        found: dict[str, Any] = await self.client.head_object(
            Bucket=self.name, Key=f"{self.prefix}/{key}"
        )
        return found

    async def content(self, key: str) -> bytes | None:
        """Return the content of a key, or None."""
        try:
            response = await self.client.get_object(Bucket=self.name, Key=f"{self.prefix}/{key}")
        except self.client.exceptions.NoSuchKey:
            return None
        async with response["Body"] as body:
            data: bytes = await body.read()
        return data

    async def put(self, key: str, data: bytes) -> None:
        """Write an object as another program would."""
        await self.client.put_object(Bucket=self.name, Key=f"{self.prefix}/{key}", Body=data)

    async def keys(self) -> list[str]:
        """Return all keys of the bucket."""
        page = await self.client.list_objects_v2(Bucket=self.name)
        return [found["Key"] for found in page.get("Contents", ())]

    async def uploads(self) -> list[dict[str, Any]]:
        """Return the unfinished multipart uploads."""
        try:
            page = await self.client.list_multipart_uploads(Bucket=self.name)
        except self.client.exceptions.NoSuchUpload:  # rclone's answer for a bucket without uploads.
            return []
        uploads: list[dict[str, Any]] = page.get("Uploads", [])
        return uploads

    async def keep_versions(self) -> None:
        """Let the service keep the versions of objects from now on."""
        await self.client.put_bucket_versioning(
            Bucket=self.name, VersioningConfiguration={"Status": "Enabled"}
        )

    async def versions(self, key: str) -> int:
        """Return the number of writes to a key since `keep_versions`."""
        page = await self.client.list_object_versions(
            Bucket=self.name, Prefix=f"{self.prefix}/{key}"
        )
        return sum(one["VersionId"] != "null" for one in page["Versions"])

    async def has_leftovers(self) -> bool:
        """Return whether there are unfinished uploads or notes."""
        names = [key.rpartition("/")[2] for key in await self.keys()]
        return bool(await self.uploads()) or any(name.startswith(".") for name in names)


@cache
def _session() -> AioSession:
    """Return a session that is shared, because each session reads its data files anew."""
    session = AioSession()
    session.set_credentials(KEY, SECRET)
    return session
