"""Internal: objects and parts of a bucket, and the properties of new objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MARK = "stac-asset-upload"
"""Name of the metadata that identifies the upload that made an object."""

CHECKSUM = "stac-asset-checksum"
"""Name of the metadata with the multihash of an object."""


_HEADERS = {
    "StorageClass": "x-amz-storage-class",
    "ServerSideEncryption": "x-amz-server-side-encryption",
    "SSEKMSKeyId": "x-amz-server-side-encryption-aws-kms-key-id",
    "ACL": "x-amz-acl",
    "Tagging": "x-amz-tagging",
    "IfMatch": "if-match",
    "IfNoneMatch": "if-none-match",
    "MetadataDirective": "x-amz-metadata-directive",
    "TaggingDirective": "x-amz-tagging-directive",
    "ChecksumAlgorithm": "x-amz-checksum-algorithm",
    "ChecksumSHA256": "x-amz-checksum-sha256",
}
"""The headers of parameters of botocore."""


def headers_of(
    parameters: Mapping[str, str], metadata: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the headers of a request that writes an object or a part, with lowercase names.

    Args:
        parameters: The parameters of the request as botocore names them.
        metadata: The metadata of the object.
    """
    headers = {
        **{_HEADERS[name]: value for name, value in parameters.items()},
        **{f"x-amz-meta-{name}": value for name, value in (metadata or {}).items()},
    }
    if "ChecksumSHA256" in parameters:
        # Buckets with Object Lock require this header.
        headers["x-amz-sdk-checksum-algorithm"] = "SHA256"
    return headers


@dataclass(frozen=True, slots=True)
class ObjectSettings:
    """Properties of new objects. Properties that are not set are those of the bucket."""

    storage_class: str | None = None
    """The storage class, such as `STANDARD_IA`."""

    encryption: str | None = None
    """The server-side encryption: `AES256`, `aws:kms` or `aws:kms:dsse`."""

    kms_key_id: str | None = None
    """The key of the encryption by KMS."""

    acl: str | None = None
    """The canned ACL, such as `bucket-owner-full-control`."""

    tags: str | None = None
    """The tags, as `key1=value1&key2=value2`."""

    def parameters(self) -> dict[str, str]:
        """Return the parameters of the requests that create an object."""
        fields = {
            "StorageClass": self.storage_class,
            "ServerSideEncryption": self.encryption,
            "SSEKMSKeyId": self.kms_key_id,
            "ACL": self.acl,
            "Tagging": self.tags,
        }
        return {name: value for name, value in fields.items() if value is not None}


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part of a multipart upload."""

    number: int
    """The number of the part."""

    size: int
    """Size in bytes."""

    etag: str
    """The ETag of the part."""

    sha256: str | None = None
    """The SHA-256 digest in base64, if reported by the service."""

    changed: float = 0.0
    """Time of the upload of the part in seconds since the epoch, if listed."""


@dataclass(frozen=True, slots=True)
class StartedUpload:
    """A multipart upload that was neither completed nor aborted."""

    key: str
    """The key of the object."""

    upload: str
    """The id of the upload."""

    started: float = 0.0
    """Time of the start in seconds since the epoch, by the clock of the service, if listed."""
