"""Internal: the note that a running upload keeps beside its key.

Two runs can start uploads to the same key. The note of the other run must stay, because only this
note tells which upload a killed run has left. So the second run writes a note of another name,
which `leftovers` finds.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from contextlib import suppress

from stac_asset.destinations.buckets.errors import ConflictError
from stac_asset.destinations.s3.keys import extra_note_key, note_key
from stac_asset.destinations.s3.objects import MARK
from stac_asset.destinations.s3.replacing import Replaced, replace_object
from stac_asset.destinations.s3.store import S3Store
from stac_asset.destinations.values import VersionError


class WrittenNote:
    """The note of an upload.

    Args:
        store: The bucket.
        key: The key of the object.
        mark: The mark of the upload.
        conditional: Whether the service checks the conditions of requests.
        etag: The ETag of the note that an earlier run wrote for the same upload, if any.
    """

    def __init__(
        self, store: S3Store, key: str, mark: str, conditional: bool, etag: str | None = None
    ) -> None:
        self._store, self._key = store, note_key(key)
        self._extra_key = extra_note_key(key, mark)
        self._mark = mark
        self._written = Replaced(etag, conditional)

    async def write(self, data: bytes) -> None:
        """Write the note, or replace the note that this run wrote.

        Args:
            data: The content.

        Raises:
            DestinationError: A request failed.
        """
        digest = hashlib.sha256(data).digest()
        # The first notes of two runs have the same content, so the mark names the run too.
        mark = f"{self._mark}-{digest.hex()}"

        async def send(condition: Mapping[str, str]) -> str:
            metadata = {MARK: mark}
            return await self._store.put(self._key, io.BytesIO(data), condition, metadata, digest)

        conditional = self._written.checked
        try:
            etag = await replace_object(self._store, self._key, mark, self._written, send)
        except VersionError:  # The note of another run.
            self._key = self._extra_key
            etag = await send({})
        self._written = Replaced(etag, conditional)

    async def remove(self) -> None:
        """Remove the note, if this run or the earlier run of the upload wrote the note.

        Raises:
            DestinationError: The request failed.
        """
        with suppress(ConflictError):
            await self._store.delete(self._key, self._written.etag)
