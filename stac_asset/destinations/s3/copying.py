"""Internal: copies an object within the store, so that no byte passes through this process.

The copy is verified before the key gets the new object. The store computes the checksum: that of
the source object, or that of the only part of a multipart upload. If the store reports no such
checksum, or refuses the copy, the caller streams the object.

Limits of S3: https://docs.aws.amazon.com/AmazonS3/latest/userguide/copy-object.html
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass

from stac_asset.concurrency import bounded
from stac_asset.destinations.buckets.buffers import MIB
from stac_asset.destinations.buckets.errors import ConflictError, MissingError
from stac_asset.destinations.s3.errors import UnsupportedError
from stac_asset.destinations.s3.note import UploadNote
from stac_asset.destinations.s3.objects import CHECKSUM, MARK
from stac_asset.destinations.s3.parts import PartLayout
from stac_asset.destinations.s3.replacing import Replaced, replace_object
from stac_asset.destinations.s3.sending import MultipartUpload
from stac_asset.destinations.s3.store import S3Store
from stac_asset.destinations.store_copy import StoreCopy, StoredSource
from stac_asset.destinations.upload_state import check_checksum
from stac_asset.destinations.values import Declared, VersionError
from stac_asset.errors import DestinationError, SizeError
from stac_asset.integrity import Multihash

MAX_COPY = 5 * 1024 * MIB
"""Maximum size in bytes of a copy by a single request (5 GiB)."""

_PART = 512 * MIB
"""Size in bytes of a copied part of a larger object."""

_MAX_PARTS = 8
"""Maximum number of parts that are copied at the same time."""

_SHA2_256 = 0x12


class _RefusedError(Exception):
    """Raised when the store does not copy the object."""


@dataclass(frozen=True, slots=True)
class StoreCopying:
    """A copy of an object to a key of a bucket in the same store."""

    store: S3Store
    key: str
    """The key in the bucket."""
    source: StoredSource
    declared: Declared
    hashed: bool
    """Whether to compute an undeclared checksum."""
    replaced: Replaced
    """The present object of the key."""
    new_upload: Callable[[Mapping[str, str]], MultipartUpload]
    """Returns a multipart upload to the key with the given metadata."""
    source_digest: str
    """Digest of the identity of the source, for the note."""
    limit: int = MAX_COPY
    """Maximum size in bytes of a copy by a single request."""

    async def run(self) -> tuple[StoreCopy, str] | None:
        """Copy the object. Return the copy and the ETag, or None to download the object.

        Raises:
            SizeError: The size differs from the declared one.
            ChecksumError: The checksum differs from the declared one.
            VersionError: Another run has replaced the object of the key.
        """
        source, expected = self.source, self.declared.checksum
        if self.declared.size not in (None, source.size):
            raise SizeError(
                f"the source has {source.size} bytes, but file:size declares {self.declared.size}"
            )
        code = expected.code if expected is not None else _SHA2_256
        known = next((one for one in source.checksums if one.code == code), None)
        needs_checksum = (expected is not None or self.hashed) and known is None
        is_large = source.size > self.limit
        if not source.size or (needs_checksum and (is_large or code != _SHA2_256)):
            return None
        check_checksum(self.declared.checksum, known)
        try:
            if needs_checksum:
                return await self._copy_parts(PartLayout(source.size, source.size), True, None)
            if is_large or self.replaced.etag is not None:
                # A service that does not know copies takes CopyObject for an empty object. The
                # previous object, which can be the source, must not be lost then.
                unit = PartLayout.of(source.size, min(_PART, self.limit)).unit
                return await self._copy_parts(PartLayout(unit, source.size), False, known)
            return await self._copy_whole(known)
        except VersionError:
            raise
        except (_RefusedError, MissingError, ConflictError, UnsupportedError, DestinationError):
            return None

    async def _copy_whole(self, known: Multihash | None) -> tuple[StoreCopy, str]:
        mark = uuid.uuid4().hex
        metadata = {MARK: mark, **_checksum_metadata(known)}

        async def send(condition: Mapping[str, str]) -> str:
            return await self.store.copies.copy(self.key, self.source, condition, metadata)

        etag = await self._replace(mark, send)
        return StoreCopy(self.source.size, known), etag

    async def _copy_parts(
        self, layout: PartLayout, hashed: bool, known: Multihash | None
    ) -> tuple[StoreCopy, str]:
        """Copy the object in parts. With `hashed`, the checksum of the only part is verified."""
        metadata = _checksum_metadata(self.declared.checksum or known)
        upload = self.new_upload(metadata)
        is_complete = False
        try:
            await upload.start(
                lambda name, mark: UploadNote(
                    name, mark, self.source_digest, self.replaced.etag, None, layout, b""
                )
            )

            async def copy(number: int) -> str | None:
                start, end = layout.span(number)
                return await upload.copy_part(number, self.source, start, end)

            digests: list[str | None] = []
            numbers = range(1, layout.number_at(self.source.size - 1) + 1)
            async with aclosing(bounded(copy, numbers, _MAX_PARTS)) as copied:
                async for digest in copied:
                    digests.append(digest)
            if hashed:
                known = _multihash(digests[0])
                if known is None:
                    raise _RefusedError
                check_checksum(self.declared.checksum, known)
            etag = await upload.complete()
            is_complete = True
        finally:
            if not is_complete:
                await upload.abort()
        return StoreCopy(self.source.size, known), etag

    async def _replace(self, mark: str, send: Callable[[Mapping[str, str]], Awaitable[str]]) -> str:
        """Send the request under the condition of the key.

        Raises:
            _RefusedError: The source has another version, or the store knows no copies.
        """

        async def send_once(condition: Mapping[str, str]) -> str:
            try:
                return await send(condition)
            except MissingError:
                raise _RefusedError from None
            except UnsupportedError:
                if not condition:
                    raise _RefusedError from None
                raise
            except ConflictError:
                # The condition of the source and that of the key have the same status.
                if not await self.store.copies.has_version(self.source):
                    raise _RefusedError from None
                raise

        return await replace_object(self.store, self.key, mark, self.replaced, send_once)


def _checksum_metadata(checksum: Multihash | None) -> dict[str, str]:
    return {} if checksum is None else {CHECKSUM: str(checksum)}


def _multihash(sha256: str | None) -> Multihash | None:
    """Return the multihash of a SHA-256 digest in base64."""
    return Multihash(_SHA2_256, base64.b64decode(sha256)) if sha256 else None
