"""Internal: reads the documents of S3's responses to requests that botocore does not send.

The formats are documented at
https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html and
https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote_plus
from xml.etree import ElementTree

from stac_asset.destinations.buckets.objects import StoredObject

LISTING_FIELDS = frozenset({"Name", "KeyCount", "IsTruncated"})
"""Fields of a listing. Other documents have no such field."""


@dataclass(frozen=True, slots=True)
class ListedPage:
    """A page of a listing."""

    objects: list[StoredObject]
    """The objects, without metadata."""

    next_token: str | None
    """The token of the next page, if any."""


def listed_page(document: bytes) -> ListedPage | None:
    """Return the page of a listing.

    Args:
        document: The body of the response to ListObjectsV2 with the encoding type `url`.

    Returns:
        The page. None for a document that is not a valid listing.
    """
    try:
        root = ElementTree.fromstring(document)
        fields = _fields(root)
        if _name(root) != "ListBucketResult" or not fields.keys() & LISTING_FIELDS:
            return None
        is_encoded = fields.get("EncodingType") == "url"
        objects = [
            _listed_object(_fields(element), is_encoded)
            for element in root
            if _name(element) == "Contents"
        ]
    except (ElementTree.ParseError, KeyError, ValueError, OverflowError):
        return None
    is_last = fields.get("IsTruncated", "").lower() != "true"
    return ListedPage(objects, None if is_last else fields.get("NextContinuationToken") or None)


def copied_etag(document: bytes) -> str | None:
    """Return the ETag of a copy.

    S3 can report an error after a response with the status 200 has begun.

    Args:
        document: The body of the response to CopyObject.

    Returns:
        The ETag. Empty if the document has no ETag, and None for an error.
    """
    if not document.strip():
        return ""
    try:
        root = ElementTree.fromstring(document)
    except ElementTree.ParseError:
        return ""
    return None if _name(root) == "Error" else _fields(root).get("ETag", "")


def quoted(etag: str) -> str:
    """Return an ETag of a listing in quotation marks, which rclone leaves out.

    Args:
        etag: The ETag.
    """
    return etag if etag.endswith('"') else f'"{etag}"'


def _listed_object(fields: Mapping[str, str], is_encoded: bool) -> StoredObject:
    key = unquote_plus(fields["Key"]) if is_encoded else fields["Key"]
    changed = datetime.fromisoformat(fields["LastModified"])
    if changed.tzinfo is None:
        changed = changed.replace(tzinfo=UTC)
    return StoredObject(key, int(fields["Size"]), quoted(fields["ETag"]), changed.timestamp())


def _fields(element: ElementTree.Element) -> dict[str, str]:
    return {_name(child): child.text or "" for child in element}


def _name(element: ElementTree.Element) -> str:
    """Return the name of an element without the namespace."""
    return element.tag.rpartition("}")[2]
