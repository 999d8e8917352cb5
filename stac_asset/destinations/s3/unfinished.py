"""Internal: multipart uploads that an earlier run, on any machine, did not complete."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

from stac_asset.destinations.buckets.errors import ConflictError
from stac_asset.destinations.missing_ranges import MissingRanges
from stac_asset.destinations.s3.errors import UnsupportedError
from stac_asset.destinations.s3.keys import note_key
from stac_asset.destinations.s3.note import MAX_NOTE, UploadNote
from stac_asset.destinations.s3.objects import StoredPart
from stac_asset.destinations.s3.store import S3Store
from stac_asset.destinations.values import Declared
from stac_asset.errors import DestinationError


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A multipart upload that an earlier run did not complete."""

    note: UploadNote
    """The note of the upload."""

    etag: str
    """The ETag of the note object."""

    parts: tuple[StoredPart, ...] = ()
    """The stored parts that have the size of the layout."""

    def received_parts(self, offset: int, missing: MissingRanges | None) -> list[int]:
        """Return the numbers of the stored parts that count as received.

        Args:
            offset: Number of received bytes.
            missing: The missing byte ranges, if they are not the end of the file alone.
        """
        found = []
        for part in self.parts:
            start, end = self.note.layout.span(part.number)
            if missing is None:
                is_received = end <= offset
            else:
                is_received = all(end <= one.position or one.end <= start for one in missing.ranges)
            if is_received:
                found.append(part.number)
        return found


async def find_unfinished(
    store: S3Store, key: str, source: str, declared: Declared
) -> Unfinished | None:
    """Return the unfinished upload of a key. Remove an upload of no use.

    Args:
        store: The bucket.
        key: The key in the bucket.
        source: Digest of the identity of the source. An upload from another source is of no use.
        declared: The declared size and checksum. Without a checksum, an upload without a version of
            the source is of no use.

    Raises:
        DestinationError: A request failed.
    """
    found = await _read_note(store, key)
    if found is None:
        return None
    note = found.note
    layout = note.layout
    is_same = note.source == source and layout.size in (None, declared.size or layout.size)
    is_same = is_same and (note.validator is not None or declared.checksum is not None)
    parts = await store.multipart.parts(key, note.upload) if is_same else None
    if not parts:
        await _abort(store, key, found)
        return None
    usable = tuple(part for part in parts if layout.matches(part.number, part.size))
    return replace(found, parts=usable)


async def remove_unfinished(store: S3Store, key: str) -> None:
    """Remove the unfinished upload of a key, if any.

    Args:
        store: The bucket.
        key: The key in the bucket.

    Raises:
        DestinationError: A request failed.
    """
    found = await _read_note(store, key)
    if found is not None:
        await _abort(store, key, found)


async def _read_note(store: S3Store, key: str) -> Unfinished | None:
    """Return the note of a key. Remove a note without an upload, and abort the uploads of the key.

    A run writes such a note before it starts an upload. If the run is killed then, the id of the
    upload is lost.
    """
    found = await store.document(note_key(key), MAX_NOTE)
    if found is None:
        return None
    data, etag = found
    note = UploadNote.parse(data)
    if note is not None:
        return Unfinished(note, etag)
    # Listing uploads needs a permission of its own, and not all services list them.
    with suppress(DestinationError, UnsupportedError):
        for upload in await store.multipart.unfinished(key):
            await store.multipart.abort(key, upload)
    await store.delete(note_key(key))
    return None


async def _abort(store: S3Store, key: str, found: Unfinished) -> None:
    """Abort a multipart upload, and remove the note. The note of a later upload stays."""
    await store.multipart.abort(key, found.note.upload)
    with suppress(ConflictError):
        await store.delete(note_key(key), found.etag)
