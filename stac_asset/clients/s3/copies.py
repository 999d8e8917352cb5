"""Internal: which S3 objects may be copied within the store."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from aiohttp import hdrs
from multidict import CIMultiDict

from stac_asset.clients.s3.connections import Connection
from stac_asset.clients.s3.objects import validator_of
from stac_asset.destinations.store_copy import StoredSource
from stac_asset.errors import ContentTypeError
from stac_asset.integrity import Multihash
from stac_asset.transfer.interface import Request
from stac_asset.validate import check_content_type

_CHECKSUMS = {
    "x-amz-checksum-sha256": 0x12,
    "x-amz-checksum-sha1": 0x11,
    "x-amz-checksum-sha512": 0x13,
}
"""Headers of a response, and the codes of the multihashes."""

_TEXT = re.compile(r"text/|.*[/+](xml|json|html|xhtml)", re.IGNORECASE)
"""Content types of web pages, error messages and listings of directories."""


async def stored_object(
    request: Request, to: Connection, bucket: str, key: str, paid: bool
) -> StoredSource | None:
    """Return an object that may be copied as an asset, or None.

    Args:
        request: The asset.
        to: The connection to the service.
        bucket: The bucket of the object.
        key: The key of the object.
        paid: Whether the owner of the credentials pays for the requests.
    """
    sent = {"x-amz-checksum-mode": "ENABLED"}
    if paid:
        sent["x-amz-request-payer"] = "requester"
    found = await to.reader.head(bucket, key, sent)
    if found is None:
        parameters: Any = {"RequestPayer": "requester"} if paid else {}
        response: Any = await to.client.head_object(
            Bucket=bucket, Key=key, ChecksumMode="ENABLED", **parameters
        )
        headers: dict[str, str] = response["ResponseMetadata"]["HTTPHeaders"]
        found = CIMultiDict(headers)
    etag, size = validator_of(found.get(hdrs.ETAG)), found.get(hdrs.CONTENT_LENGTH, "")
    if etag is None or not (size.isascii() and size.isdigit()):
        return None
    if not may_be_copied(found.get(hdrs.CONTENT_TYPE), request.content_type):
        return None
    return StoredSource(bucket, key, etag, int(size), whole_checksums(found), paid)


def may_be_copied(actual: str | None, expected: str | None) -> bool:
    """Return whether an object can be the asset, as far as the content type tells.

    A copy does not read the content. So texts are copied only if the asset has the same type.

    Args:
        actual: The content type of the object.
        expected: The media type of the asset, if any.
    """
    if actual is None:
        return True
    if _TEXT.match(actual):
        return expected is not None and actual.partition(";")[0] == expected.partition(";")[0]
    try:
        if expected is not None and actual != expected:
            check_content_type(actual, expected, True, "")
    except ContentTypeError:
        return False
    return True


def whole_checksums(headers: Mapping[str, str]) -> tuple[Multihash, ...]:
    """Return the checksums of a whole object that S3 stores. Checksums of parts are left out.

    Args:
        headers: The headers of the response to a HEAD request that asks for the checksums. Their
            names are not case-sensitive.
    """
    if headers.get("x-amz-checksum-type", "FULL_OBJECT") != "FULL_OBJECT":
        return ()
    return tuple(
        Multihash(code, base64.b64decode(headers[name]))
        for name, code in _CHECKSUMS.items()
        if headers.get(name) and "-" not in headers[name]
    )
