"""Internal: the requests that let the service copy objects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

from stac_asset.destinations.buckets.errors import MissingError
from stac_asset.destinations.buckets.objects import StoredObject
from stac_asset.destinations.s3.connection import BucketConnection
from stac_asset.destinations.s3.direct import DirectRequest, DirectRequests
from stac_asset.destinations.s3.errors import UnsupportedError, mapped_s3_errors
from stac_asset.destinations.s3.objects import MARK, StoredPart, headers_of
from stac_asset.destinations.s3.responses import copied_etag
from stac_asset.destinations.store_copy import StoredSource


class CopyRequests:
    """The requests that copy objects to a bucket.

    Args:
        connection: The connection to the bucket.
        direct: Sends frequent requests without botocore, if possible.
        head: Returns the object of a key, if any.
        delete: Deletes the object of a key.
    """

    def __init__(
        self,
        connection: BucketConnection,
        direct: DirectRequests | None,
        head: Callable[[str], Awaitable[StoredObject | None]],
        delete: Callable[[str], Awaitable[None]],
    ) -> None:
        self._connection, self._direct = connection, direct
        self._head, self._delete = head, delete

    async def copy(
        self,
        key: str,
        source: StoredSource,
        condition: Mapping[str, str],
        metadata: Mapping[str, str],
    ) -> str:
        """Let the service copy an object of up to 5 GiB, and return the ETag of the copy.

        Args:
            key: The key of the copy.
            source: The object.
            condition: The conditions for the key: `IfMatch` or `IfNoneMatch`, or none.
            metadata: The metadata of the copy.

        Raises:
            MissingError: The source does not exist.
            ConflictError: The condition is not met, or the source has another version.
            UnsupportedError: The service did not copy.
            DestinationError: The request failed.
        """
        properties: dict[str, Any] = {
            **self._connection.settings,
            **condition,
            "MetadataDirective": "REPLACE",
            "TaggingDirective": "REPLACE",
            "ChecksumAlgorithm": "SHA256",
        }
        etag = await self._copy_without_botocore(key, source, properties, metadata)
        if etag is None:
            client = await self._connection.client()
            parameters = {**properties, **_source_parameters(source)}
            with self._connection.errors(key):
                response = await client.copy_object(
                    Bucket=self._connection.bucket, Key=key, Metadata=metadata, **parameters
                )
            etag = (response.get("CopyObjectResult") or {}).get("ETag")
        return etag or await self._etag_of_copy(key, source, metadata)

    async def _copy_without_botocore(
        self,
        key: str,
        source: StoredSource,
        properties: Mapping[str, str],
        metadata: Mapping[str, str],
    ) -> str | None:
        """Return the ETag of a new copy, unless botocore must send the request."""
        copied = _copy_headers(source)
        if self._direct is None or copied is None:
            return None
        headers = {**headers_of(properties, metadata), **copied}
        with self._connection.errors(key):
            response = await self._direct.send(DirectRequest("CopyObject", "PUT", key, headers))
        return copied_etag(response.body) if response is not None else None

    async def _etag_of_copy(
        self, key: str, source: StoredSource, metadata: Mapping[str, str]
    ) -> str:
        """Return the ETag of a copy that the response does not name.

        A service that does not know copies has written an empty object, which is removed.

        Raises:
            UnsupportedError: The service did not copy.
        """
        found = await self._head(key)
        if found is not None and found.size == source.size:
            return found.etag
        if found is not None and found.metadata.get(MARK) == metadata[MARK]:
            await self._delete(key)
        raise UnsupportedError

    async def has_version(self, source: StoredSource) -> bool:
        """Return whether an object still has the same version.

        Args:
            source: The object.

        Raises:
            DestinationError: The request failed.
        """
        client = await self._connection.client()
        pays: dict[str, Any] = {"RequestPayer": "requester"} if source.requester_pays else {}
        try:
            with mapped_s3_errors(f"s3://{source.bucket}/{source.key}", "read"):
                found = await client.head_object(Bucket=source.bucket, Key=source.key, **pays)
        except MissingError:
            return False
        return found["ETag"] == source.etag

    async def copy_part(
        self, key: str, upload: str, number: int, source: StoredSource, start: int, end: int
    ) -> StoredPart:
        """Let the service copy bytes of an object as a part of a multipart upload.

        Args:
            key: The key.
            upload: The id of the upload.
            number: The number of the part.
            source: The object.
            start: Position of the first byte.
            end: Position after the last byte.

        Raises:
            MissingError: The upload or the source does not exist.
            ConflictError: The source has another version.
            UnsupportedError: The service did not copy.
            DestinationError: The request failed.
        """
        client = await self._connection.client()
        parameters = _source_parameters(source)
        if end - start < source.size:
            parameters["CopySourceRange"] = f"bytes={start}-{end - 1}"
        with self._connection.errors(key):
            response = await client.upload_part_copy(
                Bucket=self._connection.bucket,
                Key=key,
                UploadId=upload,
                PartNumber=number,
                **parameters,
            )
        copied = response.get("CopyPartResult") or {}
        if not copied.get("ETag"):  # rclone takes the request for an empty part.
            raise UnsupportedError
        return StoredPart(number, end - start, copied["ETag"], copied.get("ChecksumSHA256"))


def _source_parameters(source: StoredSource) -> dict[str, Any]:
    """Return the parameters of a request that copies an object.

    Args:
        source: The object. Another version is not copied.
    """
    parameters: dict[str, Any] = {
        "CopySource": {"Bucket": source.bucket, "Key": source.key},
        "CopySourceIfMatch": source.etag,
    }
    if source.requester_pays:
        parameters["RequestPayer"] = "requester"
    return parameters


def _copy_headers(source: StoredSource) -> dict[str, str] | None:
    """Return the headers of a copy. Only botocore names the access points of sources.

    Args:
        source: The object. Another version is not copied.
    """
    if ":" in source.bucket:  # The ARN of an access point.
        return None
    headers = {
        "x-amz-copy-source": quote(f"{source.bucket}/{source.key}", safe="/-._~"),
        "x-amz-copy-source-if-match": source.etag,
    }
    if source.requester_pays:
        headers["x-amz-request-payer"] = "requester"
    return headers
