"""Internal: the requests of an S3 destination to the bucket."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from stac_asset.destinations.s3.errors import (
    NO_SERVICE,
    ConflictError,
    MissingError,
    UnsupportedError,
    mapped_errors,
)
from stac_asset.destinations.s3.objects import ObjectSettings, StoredObject, StoredPart
from stac_asset.errors import DestinationError

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client as BotocoreClient

_LISTING = frozenset({"Name", "KeyCount", "IsTruncated"})
"""Fields of a listing. A listing without any of them is another document."""

_BLOCK = 1024 * 1024
"""Number of bytes of an object that are read at a time."""


class S3Store:
    """A bucket of an S3 service.

    Args:
        connect: Returns the open botocore client. The result is kept.
        bucket: The name of the bucket.
        settings: The properties of new objects.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[BotocoreClient]],
        bucket: str,
        settings: ObjectSettings | None = None,
    ) -> None:
        self._connect = connect
        self.bucket = bucket
        self._settings = (settings or ObjectSettings()).parameters()

    async def _client(self) -> BotocoreClient:
        """Return the client, changed to send bodies without asking the service first.

        botocore announces the body of a file-like object with the header `Expect`. The answer
        costs a round trip, and some services do not send it.
        """
        client = await self._connect()
        events: Any = client.meta.events
        events.register_last("before-call.s3", _without_expect, unique_id="stac-asset-expect")
        return client

    def url_of(self, key: str) -> str:
        """Return the URL of a key, for messages.

        Args:
            key: The key in the bucket.
        """
        return f"s3://{self.bucket}/{key}"

    async def head(self, key: str) -> StoredObject | None:
        """Return an existing object with the metadata, or None.

        Args:
            key: The key.

        Raises:
            DestinationError: The request failed.
        """
        client = await self._client()
        try:
            with mapped_errors(self.url_of(key)):
                found = await client.head_object(Bucket=self.bucket, Key=key)
        except MissingError:
            return None
        return StoredObject(key, found["ContentLength"], found["ETag"], found["Metadata"])

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
        client = await self._client()
        token: dict[str, Any] = {}
        while True:
            with mapped_errors(self.url_of(prefix)):
                page = await client.list_objects_v2(
                    Bucket=self.bucket,
                    Prefix=prefix,
                    Delimiter=delimiter,
                    MaxKeys=limit,
                    **token,
                )
            if not page.keys() & _LISTING:
                raise DestinationError(f"{self.url_of(prefix)} cannot be written: {NO_SERVICE}")
            yield [
                StoredObject(found["Key"], found["Size"], found["ETag"])
                for found in page.get("Contents", ())
            ]
            if not page.get("IsTruncated") or not page.get("NextContinuationToken"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    async def read(self, key: str, end: int | None = None) -> AsyncIterator[bytes]:
        """Yield the content of an object in blocks.

        Args:
            key: The key.
            end: Number of bytes to read, if not all.

        Raises:
            MissingError: The object does not exist.
            DestinationError: The request failed.
        """
        client = await self._client()
        part: dict[str, Any] = {} if end is None else {"Range": f"bytes=0-{end - 1}"}
        with mapped_errors(self.url_of(key)):
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
        client = await self._client()
        try:
            with mapped_errors(self.url_of(key)):
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
        client = await self._client()
        parameters: dict[str, Any] = {**self._settings, **condition}
        data.seek(0)
        with mapped_errors(self.url_of(key)):
            response = await client.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=data,
                Metadata=metadata,
                ChecksumSHA256=base64.b64encode(sha256).decode(),
                **parameters,
            )
        return response["ETag"]

    async def create_upload(self, key: str, metadata: Mapping[str, str]) -> str:
        """Start a multipart upload, and return the id.

        Args:
            key: The key.
            metadata: The metadata of the object.

        Raises:
            DestinationError: The request failed.
        """
        client = await self._client()
        parameters: dict[str, Any] = self._settings
        with mapped_errors(self.url_of(key)):
            response = await client.create_multipart_upload(
                Bucket=self.bucket,
                Key=key,
                Metadata=metadata,
                ChecksumAlgorithm="SHA256",
                **parameters,
            )
        return response["UploadId"]

    async def put_part(
        self, key: str, upload: str, number: int, data: io.BytesIO, sha256: bytes
    ) -> StoredPart:
        """Write a part of a multipart upload.

        Args:
            key: The key.
            upload: The id of the upload.
            number: The number of the part.
            data: The content.
            sha256: The SHA-256 digest of the content, which the service checks.

        Raises:
            MissingError: The upload does not exist any more.
            DestinationError: The request failed.
        """
        client = await self._client()
        checksum = base64.b64encode(sha256).decode()
        data.seek(0)
        with mapped_errors(self.url_of(key)):
            response = await client.upload_part(
                Bucket=self.bucket,
                Key=key,
                UploadId=upload,
                PartNumber=number,
                Body=data,
                ChecksumSHA256=checksum,
            )
        kept = checksum if response.get("ChecksumSHA256") else None
        return StoredPart(number, data.getbuffer().nbytes, response["ETag"], kept)

    async def parts(self, key: str, upload: str) -> list[StoredPart] | None:
        """Return the stored parts of a multipart upload, or None without such an upload.

        Args:
            key: The key.
            upload: The id of the upload.

        Raises:
            DestinationError: The request failed.
        """
        client = await self._client()
        found: list[StoredPart] = []
        marker: dict[str, Any] = {}
        while True:
            try:
                with mapped_errors(self.url_of(key)):
                    page = await client.list_parts(
                        Bucket=self.bucket, Key=key, UploadId=upload, **marker
                    )
            except MissingError:
                return None
            found += [
                StoredPart(
                    part["PartNumber"], part["Size"], part["ETag"], part.get("ChecksumSHA256")
                )
                for part in page.get("Parts", ())
            ]
            if not page.get("IsTruncated") or not page.get("NextPartNumberMarker"):
                return found
            marker = {"PartNumberMarker": page["NextPartNumberMarker"]}

    async def complete(
        self, key: str, upload: str, parts: list[StoredPart], condition: Mapping[str, str]
    ) -> str:
        """Complete a multipart upload, and return the ETag of the object.

        Args:
            key: The key.
            upload: The id of the upload.
            parts: All parts of the object, in order.
            condition: The conditions: `IfMatch` or `IfNoneMatch`, or none.

        Raises:
            MissingError: The upload does not exist any more.
            ConflictError: The condition is not met.
            DestinationError: The request failed.
        """
        client = await self._client()
        listed: list[Any] = [
            {
                "PartNumber": part.number,
                "ETag": part.etag,
                **({"ChecksumSHA256": part.sha256} if part.sha256 else {}),
            }
            for part in parts
        ]
        conditions: dict[str, Any] = dict(condition)
        with mapped_errors(self.url_of(key)):
            response = await client.complete_multipart_upload(
                Bucket=self.bucket,
                Key=key,
                UploadId=upload,
                MultipartUpload={"Parts": listed},
                **conditions,
            )
        return response["ETag"]

    async def supports_conditions(self, key: str) -> bool:
        """Return whether the service checks the conditions of requests. Writes and deletes a key.

        Args:
            key: A key without an object.

        Raises:
            DestinationError: The bucket cannot be written.
        """
        condition = {"IfNoneMatch": "*"}
        digest = hashlib.sha256(b"").digest()
        try:
            await self.put(key, io.BytesIO(), condition, {}, digest)
            await self.put(key, io.BytesIO(), condition, {}, digest)
        except ConflictError:
            return True
        except UnsupportedError:
            await self.put(key, io.BytesIO(), {}, {}, digest)
        finally:
            with suppress(DestinationError):
                await self.delete(key)
        return False

    async def abort(self, key: str, upload: str) -> None:
        """Abort a multipart upload. An upload that does not exist any more is no error.

        Args:
            key: The key.
            upload: The id of the upload.

        Raises:
            DestinationError: The request failed.
        """
        client = await self._client()
        with suppress(MissingError), mapped_errors(self.url_of(key)):
            await client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload)

    async def delete(self, key: str) -> None:
        """Delete an object. A missing object is no error.

        Args:
            key: The key.

        Raises:
            DestinationError: The request failed.
        """
        client = await self._client()
        with suppress(MissingError), mapped_errors(self.url_of(key)):
            await client.delete_object(Bucket=self.bucket, Key=key)


def _without_expect(params: dict[str, Any], **_: Any) -> None:
    """Handle botocore's `before-call` event."""
    params["headers"].pop("Expect", None)
