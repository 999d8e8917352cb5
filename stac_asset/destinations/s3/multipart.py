"""Internal: the requests of multipart uploads."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any

from stac_asset.destinations.buckets.errors import MissingError
from stac_asset.destinations.s3.connection import BucketConnection
from stac_asset.destinations.s3.errors import UnsupportedError, field_of
from stac_asset.destinations.s3.objects import StartedUpload, StoredPart
from stac_asset.destinations.s3.streaming import StreamedPart
from stac_asset.errors import DestinationError


class MultipartRequests:
    """The requests of multipart uploads to a bucket.

    Args:
        connection: The connection to the bucket.
    """

    def __init__(self, connection: BucketConnection) -> None:
        self._connection = connection

    async def create(self, key: str, metadata: Mapping[str, str]) -> str:
        """Start a multipart upload, and return the id.

        A request whose response was lost may have started another upload, which is aborted.

        Args:
            key: The key.
            metadata: The metadata of the object.

        Raises:
            DestinationError: The request failed.
        """
        client = await self._connection.client()
        parameters: dict[str, Any] = self._connection.settings
        began = time.monotonic()
        with self._connection.errors(key):
            response = await client.create_multipart_upload(
                Bucket=self._connection.bucket,
                Key=key,
                Metadata=metadata,
                ChecksumAlgorithm="SHA256",
                **parameters,
            )
            upload = field_of(response, "UploadId")
        if response["ResponseMetadata"].get("RetryAttempts"):
            # Listing uploads needs a permission of its own, and not all services list them.
            with suppress(DestinationError, UnsupportedError):
                await self._abort_duplicates(key, upload, time.monotonic() - began)
        return upload

    async def _abort_duplicates(self, key: str, upload: str, seconds: float) -> None:
        """Abort the uploads to a key that started within the given time before an upload.

        Times have a resolution of one second.
        """
        found, _ = await self.started(key)
        uploads = {one.upload: one.started for one in found if one.key == key}
        end = uploads.pop(upload, 0.0)
        for other, started in uploads.items():
            if end - seconds - 1 <= started <= end:
                await self.abort(key, other)

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
        client = await self._connection.client()
        checksum = base64.b64encode(sha256).decode()
        data.seek(0)
        with self._connection.errors(key):
            response = await client.upload_part(
                Bucket=self._connection.bucket,
                Key=key,
                UploadId=upload,
                PartNumber=number,
                Body=data,
                ChecksumSHA256=checksum,
            )
            etag = field_of(response, "ETag")
        kept = checksum if response.get("ChecksumSHA256") else None
        return StoredPart(number, data.getbuffer().nbytes, etag, kept)

    async def put_stream(self, key: str, upload: str, part: StreamedPart) -> StoredPart:
        """Write a part of a multipart upload while the bytes arrive.

        The SHA-256 digest, which the service checks, follows the bytes.

        Args:
            key: The key.
            upload: The id of the upload.
            part: The part.

        Raises:
            MissingError: The upload does not exist any more.
            DestinationError: The request failed.
        """
        client = await self._connection.client()
        body: Any = part
        with self._connection.errors(key):
            response = await client.upload_part(
                Bucket=self._connection.bucket,
                Key=key,
                UploadId=upload,
                PartNumber=part.number,
                Body=body,
                ContentLength=part.size,
                ChecksumAlgorithm="SHA256",
            )
            etag = field_of(response, "ETag")
        return StoredPart(part.number, part.size, etag, response.get("ChecksumSHA256"))

    async def parts(self, key: str, upload: str) -> list[StoredPart] | None:
        """Return the stored parts of a multipart upload, if the upload exists.

        Args:
            key: The key.
            upload: The id of the upload.

        Raises:
            DestinationError: The request failed.
        """
        client = await self._connection.client()
        found: list[StoredPart] = []
        marker: dict[str, Any] = {}
        while True:
            try:
                with self._connection.errors(key):
                    page = await client.list_parts(
                        Bucket=self._connection.bucket, Key=key, UploadId=upload, **marker
                    )
            except MissingError:
                return None
            found += [
                StoredPart(
                    part["PartNumber"],
                    part["Size"],
                    part["ETag"],
                    part.get("ChecksumSHA256"),
                    part["LastModified"].timestamp(),
                )
                for part in page.get("Parts", ())
            ]
            if not page.get("IsTruncated") or not page.get("NextPartNumberMarker"):
                return found
            marker = {"PartNumberMarker": page["NextPartNumberMarker"]}

    async def unfinished(self, key: str) -> list[str]:
        """Return the ids of the unfinished uploads to a key, by any program.

        Args:
            key: The key.

        Raises:
            DestinationError: The request failed.
        """
        # Longer keys with this prefix follow the key, so the first page has all its uploads.
        page = await self._uploads(key, {})
        return [found["UploadId"] for found in page.get("Uploads", ()) if found["Key"] == key]

    async def _uploads(self, prefix: str, marker: Mapping[str, str]) -> Any:
        """Return a page of the unfinished uploads."""
        parameters: dict[str, Any] = dict(marker)
        client = await self._connection.client()
        try:
            with self._connection.errors(prefix):
                return await client.list_multipart_uploads(
                    Bucket=self._connection.bucket, Prefix=prefix, **parameters
                )
        except MissingError:  # rclone's answer for a bucket without uploads.
            return {}

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
        client = await self._connection.client()
        listed: list[Any] = [
            {
                "PartNumber": part.number,
                "ETag": part.etag,
                **({"ChecksumSHA256": part.sha256} if part.sha256 else {}),
            }
            for part in parts
        ]
        conditions: dict[str, Any] = dict(condition)
        with self._connection.errors(key):
            response = await client.complete_multipart_upload(
                Bucket=self._connection.bucket,
                Key=key,
                UploadId=upload,
                MultipartUpload={"Parts": listed},
                **conditions,
            )
            return field_of(response, "ETag")

    async def abort(self, key: str, upload: str) -> None:
        """Abort a multipart upload. An upload that does not exist any more is no error.

        Args:
            key: The key.
            upload: The id of the upload.

        Raises:
            DestinationError: The request failed.
        """
        client = await self._connection.client()
        with suppress(MissingError), self._connection.errors(key):
            await client.abort_multipart_upload(
                Bucket=self._connection.bucket, Key=key, UploadId=upload
            )

    async def started(self, prefix: str) -> tuple[list[StartedUpload], float]:
        """Return the unfinished uploads, and the time by the clock of the service.

        Args:
            prefix: Start of the keys.

        Raises:
            DestinationError: The request failed.
        """
        found: list[StartedUpload] = []
        marker: dict[str, str] = {}
        while True:
            page = await self._uploads(prefix, marker)
            found += [
                StartedUpload(one["Key"], one["UploadId"], one["Initiated"].timestamp())
                for one in page.get("Uploads", ())
                if one["Key"].startswith(prefix)  # Some services ignore the prefix.
            ]
            if not page.get("IsTruncated") or not page.get("NextKeyMarker"):
                return found, _time_of(page)
            marker = {
                "KeyMarker": page["NextKeyMarker"],
                "UploadIdMarker": page.get("NextUploadIdMarker", ""),
            }


def _time_of(response: Any) -> float:
    """Return the time of a response by the clock of the service, in seconds since the epoch."""
    date = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    with suppress(TypeError, ValueError):
        return parsedate_to_datetime(date).timestamp()
    return time.time()
