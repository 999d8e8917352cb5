"""Internal: verification of the checksums that S3 stores with objects.

S3 sends the checksum of a whole object in the header `x-amz-checksum-NAME`, if the request has the
header `x-amz-checksum-mode`:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from stac_asset.errors import TruncatedError

_PREFIX = "x-amz-checksum-"

_CLASSES = {
    "crc32": "Crc32Checksum",
    "crc32c": "CrtCrc32cChecksum",
    "crc64nvme": "CrtCrc64NvmeChecksum",
    "sha1": "Sha1Checksum",
    "sha256": "Sha256Checksum",
    "sha512": "Sha512Checksum",
}
"""botocore's classes of the checksums. Those of the AWS CRT need the package awscrt."""


class StoredChecksum:
    """The checksum that S3 stores with an object.

    Args:
        name: The name of the algorithm, such as `crc32`.
        digest: The expected digest.
    """

    def __init__(self, name: str, digest: bytes) -> None:
        from botocore import httpchecksum

        # The stubs of `update` do not allow views, which all algorithms accept.
        self._checksum: Any = getattr(httpchecksum, _CLASSES[name])()
        self._digest = digest

    async def verified(
        self, chunks: AsyncIterator[bytes | memoryview], shown: str
    ) -> AsyncIterator[bytes | memoryview]:
        """Yield the chunks of an object, and compare the checksum at the end.

        Args:
            chunks: The chunks of the whole object.
            shown: The redacted href.

        Yields:
            A chunk of the object.

        Raises:
            TruncatedError: The checksum differs.
        """
        async for chunk in chunks:
            self._checksum.update(chunk)
            yield chunk
        if self._checksum.digest() != self._digest:
            raise TruncatedError(f"{shown} arrived damaged: S3 reports a different checksum")


def stored_checksum(headers: Mapping[str, str], algorithms: Iterable[str]) -> StoredChecksum | None:
    """Return the stored checksum of a whole object, if reported and supported.

    A checksum of several parts, such as `…==-3`, cannot be computed from the object alone.

    Args:
        headers: The headers of the response, with case-insensitive names.
        algorithms: The names of the algorithms that botocore supports, in the order of preference.
    """
    for name in algorithms:
        sent = headers.get(_PREFIX + name)
        if sent is None or "-" in sent or name not in _CLASSES:
            continue
        try:
            return StoredChecksum(name, base64.b64decode(sent, validate=True))
        except binascii.Error:
            continue  # Not a checksum.
    return None
