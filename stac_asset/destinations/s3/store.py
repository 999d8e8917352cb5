"""Internal: the requests of an S3 destination to the bucket.

`multipart` has the requests of multipart uploads, and `copy_requests` those of copies.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from stac_asset.destinations.buckets.errors import ConflictError, MissingError
from stac_asset.destinations.buckets.objects import StoredObject
from stac_asset.destinations.s3.connection import BucketConnection
from stac_asset.destinations.s3.copy_requests import CopyRequests
from stac_asset.destinations.s3.direct import (
    MAX_DIRECT,
    DirectConnection,
    DirectRequest,
    DirectRequests,
)
from stac_asset.destinations.s3.errors import NO_SERVICE, UnsupportedError, field_of
from stac_asset.destinations.s3.multipart import MultipartRequests
from stac_asset.destinations.s3.objects import ObjectSettings, headers_of
from stac_asset.destinations.s3.responses import LISTING_FIELDS, ListedPage, listed_page, quoted
from stac_asset.destinations.store_copy import CopyTarget
from stac_asset.errors import DestinationError

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client as BotocoreClient

_BLOCK = 1024 * 1024
"""Number of bytes of an object that are read at a time."""


class S3Store:
    """A bucket of an S3 service.

    Args:
        connect: Returns the open botocore client. The result is kept.
        bucket: The name of the bucket.
        settings: The properties of new objects.
        action: What the run does with the bucket, for messages: `written` or `read`.
        direct: Returns a connection that sends frequent requests without botocore, if any. The
            result is kept.
        access: Returns the service and the credentials, if the service can copy objects.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[BotocoreClient]],
        bucket: str,
        settings: ObjectSettings | None = None,
        action: str = "written",
        direct: Callable[[], Awaitable[DirectConnection]] | None = None,
        access: CopyTarget | None = None,
    ) -> None:
        self._connection = BucketConnection(connect, bucket, settings, action)
        self.bucket, self.action = bucket, action
        self.access = access
        self.multipart = MultipartRequests(self._connection)
        """The requests of multipart uploads."""
        self._direct = DirectRequests(direct, bucket) if direct is not None else None
        self.copies = CopyRequests(self._connection, self._direct, self.head, self.delete)
        """The requests that copy objects."""

    def url_of(self, key: str) -> str:
        """Return the URL of a key, for messages.

        Args:
            key: The key in the bucket.
        """
        return self._connection.url_of(key)

    async def head(self, key: str) -> StoredObject | None:
        """Return an existing object with its metadata, if any.

        Args:
            key: The key.

        Raises:
            DestinationError: The request failed.
        """
        client = await self._connection.client()
        try:
            with self._connection.errors(key):
                found = await client.head_object(Bucket=self.bucket, Key=key)
        except MissingError:
            return None
        changed = found["LastModified"].timestamp()
        return StoredObject(key, found["ContentLength"], found["ETag"], changed, found["Metadata"])

    async def pages(
        self, prefix: str, delimiter: str = "", limit: int = 1000
    ) -> AsyncIterator[list[StoredObject]]:
        """Yield the pages of a listing.

        Args:
            prefix: The prefix of the keys.
            delimiter: If `/`, keys with a further `/` after the prefix are left out.
            limit: Maximum number of objects of a page.

        Raises:
            DestinationError: The request failed.
        """
        token = None
        while True:
            page = await self._page_without_botocore(prefix, delimiter, limit, token)
            if page is None:
                page = await self._page(prefix, delimiter, limit, token)
            yield page.objects
            token = page.next_token
            if token is None:
                return

    async def _page_without_botocore(
        self, prefix: str, delimiter: str, limit: int, token: str | None
    ) -> ListedPage | None:
        """Return a page of a listing. Return None if botocore must send the request."""
        if self._direct is None:
            return None
        parameters = {
            "list-type": "2",
            "encoding-type": "url",
            "prefix": prefix,
            "delimiter": delimiter,
            "max-keys": str(limit),
        }
        if token is not None:
            parameters["continuation-token"] = token
        with self._connection.errors(prefix):
            response = await self._direct.send(
                DirectRequest("ListObjectsV2", "GET", parameters=parameters)
            )
        return listed_page(response.body) if response is not None else None

    async def _page(self, prefix: str, delimiter: str, limit: int, token: str | None) -> ListedPage:
        client = await self._connection.client()
        further: dict[str, Any] = {} if token is None else {"ContinuationToken": token}
        with self._connection.errors(prefix):
            page = await client.list_objects_v2(
                Bucket=self.bucket, Prefix=prefix, Delimiter=delimiter, MaxKeys=limit, **further
            )
        if not page.keys() & LISTING_FIELDS:
            raise DestinationError(f"{self.url_of(prefix)} cannot be {self.action}: {NO_SERVICE}")
        objects = [
            StoredObject(
                found["Key"],
                found["Size"],
                quoted(found["ETag"]),
                found["LastModified"].timestamp(),
            )
            for found in page.get("Contents", ())
        ]
        is_last = not page.get("IsTruncated")
        return ListedPage(objects, None if is_last else page.get("NextContinuationToken") or None)

    async def read(self, key: str, end: int | None = None) -> AsyncIterator[bytes]:
        """Yield the content of an object in blocks.

        Args:
            key: The key.
            end: Number of bytes to read, if not all.

        Raises:
            MissingError: The object does not exist.
            DestinationError: The request failed.
        """
        client = await self._connection.client()
        part: dict[str, Any] = {} if end is None else {"Range": f"bytes=0-{end - 1}"}
        with self._connection.errors(key):
            response = await client.get_object(Bucket=self.bucket, Key=key, **part)
            async with response["Body"] as body:
                while block := await body.read(_BLOCK):
                    yield block

    async def content(self, key: str) -> bytes | None:
        """Return the content of a small object, if the object exists.

        Args:
            key: The key.

        Raises:
            DestinationError: The request failed.
        """
        try:
            return b"".join([block async for block in self.read(key)])
        except MissingError:
            return None

    async def document(self, key: str, limit: int) -> tuple[bytes, str] | None:
        """Return the content and the ETag of an object, if the object exists.

        Args:
            key: The key.
            limit: Maximum size in bytes. The content of larger objects is not read.

        Raises:
            DestinationError: The request failed.
        """
        client = await self._connection.client()
        try:
            with self._connection.errors(key):
                response = await client.get_object(Bucket=self.bucket, Key=key)
                async with response["Body"] as body:
                    is_small = response["ContentLength"] <= limit
                    return await body.read() if is_small else b"", response["ETag"]
        except MissingError:
            return None

    async def put(
        self,
        key: str,
        data: io.BytesIO,
        condition: Mapping[str, str],
        metadata: Mapping[str, str],
        sha256: bytes,
    ) -> str:
        """Write an object with a single request, and return the ETag.

        Args:
            key: The key.
            data: The content.
            condition: The conditions: `IfMatch` or `IfNoneMatch`, or none.
            metadata: The metadata of the object.
            sha256: The SHA-256 digest of the content, which the service checks.

        Raises:
            ConflictError: The condition is not met.
            DestinationError: The request failed.
        """
        parameters: dict[str, Any] = {**self._connection.settings, **condition}
        checksum = base64.b64encode(sha256).decode()
        with self._connection.errors(key), data.getbuffer() as content:
            if self._direct is not None and content.nbytes <= MAX_DIRECT:
                headers = headers_of({**parameters, "ChecksumSHA256": checksum}, metadata)
                stored = await self._direct.send(
                    DirectRequest("PutObject", "PUT", key, headers, data=content)
                )
                if stored is not None and "ETag" in stored.headers:
                    return stored.headers["ETag"]
        client = await self._connection.client()
        data.seek(0)
        with self._connection.errors(key):
            response = await client.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=data,
                Metadata=metadata,
                ChecksumAlgorithm="SHA256",  # Buckets with Object Lock require this field.
                ChecksumSHA256=checksum,
                **parameters,
            )
            return field_of(response, "ETag")

    async def supports_conditions(self, key: str) -> bool:
        """Return whether the service checks the conditions of requests. Writes and deletes a key.

        Args:
            key: A key without an object.

        Raises:
            DestinationError: An object cannot be written or deleted.
        """
        try:
            is_conditional = await self._checks_conditions(key)
        except BaseException:  # Also if the run is cancelled.
            with suppress(DestinationError):
                await self.delete(key)
            raise
        await self.delete(key)
        return is_conditional

    async def _checks_conditions(self, key: str) -> bool:
        condition = {"IfNoneMatch": "*"}
        digest = hashlib.sha256(b"").digest()
        try:
            await self.put(key, io.BytesIO(), condition, {}, digest)
            await self.put(key, io.BytesIO(), condition, {}, digest)
        except ConflictError:
            return True
        except UnsupportedError:
            await self.put(key, io.BytesIO(), {}, {}, digest)
        return False

    async def delete(self, key: str, etag: str | None = None) -> None:
        """Delete an object. A missing object is no error.

        Args:
            key: The key.
            etag: The ETag of the object to delete. By default, any object is deleted. Services
                that do not support the condition delete the object in any case.

        Raises:
            ConflictError: The object has another ETag.
            DestinationError: The request failed.
        """
        client = await self._connection.client()
        condition: dict[str, Any] = {"IfMatch": etag} if etag is not None else {}
        try:
            with suppress(MissingError), self._connection.errors(key):
                await client.delete_object(Bucket=self.bucket, Key=key, **condition)
        except UnsupportedError:
            if etag is None:
                raise
            await self.delete(key)
