"""Internal: multipart uploads that an earlier run, on any machine, did not complete."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, replace

from stac_asset.destinations.buckets.errors import ConflictError
from stac_asset.destinations.missing_ranges import MissingRanges
from stac_asset.destinations.s3.errors import UnsupportedError
from stac_asset.destinations.s3.keys import extra_note_start, note_key
from stac_asset.destinations.s3.note import MAX_NOTE, UploadNote, starting_note
from stac_asset.destinations.s3.objects import StoredPart
from stac_asset.destinations.s3.store import S3Store
from stac_asset.destinations.values import Declared
from stac_asset.errors import DestinationError

START_TIMEOUT = 10.0
"""Seconds in which a run must write the id of an upload into the note, after the first note."""

_POLL = 0.5
"""Seconds between two reads of a note without an id."""


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
    store: S3Store,
    key: str,
    source: str,
    declared: Declared,
    replaces: str | None,
    start_timeout: float = START_TIMEOUT,
) -> Unfinished | None:
    """Return the unfinished upload of a key. Remove an upload of no use.

    Another run can use the upload at the same time. So an upload of the same source stays, also
    if no part is stored yet.

    Args:
        store: The bucket.
        key: The key in the bucket.
        source: Digest of the identity of the source. An upload from another source is of no use.
        declared: The declared size and checksum. Without a checksum, an upload without a version of
            the source is of no use.
        replaces: The ETag of the present object, if any. An upload that replaces another object is
            of no use.
        start_timeout: Seconds to wait for the id of an upload that another run may be starting.

    Raises:
        DestinationError: A request failed.
    """
    found = await _read_note(store, key, start_timeout)
    if found is None:
        return None
    note = found.note
    layout = note.layout
    is_same = note.source == source and note.replaces == replaces
    is_same = is_same and layout.size in (None, declared.size or layout.size)
    is_same = is_same and (note.validator is not None or declared.checksum is not None)
    parts = await store.multipart.parts(key, note.upload) if is_same else None
    if parts is None:
        await _abort(store, key, found)
        return None
    usable = tuple(part for part in parts if layout.matches(part.number, part.size))
    return replace(found, parts=usable)


async def remove_unfinished(
    store: S3Store, key: str, only_outdated: bool, start_timeout: float = START_TIMEOUT
) -> None:
    """Remove the unfinished upload of a key, if any.

    Args:
        store: The bucket.
        key: The key in the bucket.
        only_outdated: Keep an upload that can still replace the present object.
        start_timeout: Seconds to wait for the id of an upload that another run may be starting.

    Raises:
        DestinationError: A request failed.
    """
    found = await _read_note(store, key, start_timeout)
    if found is None:
        return
    if only_outdated:
        # A listing can be older than the note.
        present = await store.head(key)
        if found.note.replaces == (present.etag if present is not None else None):
            return
    await _abort(store, key, found)


async def _read_note(store: S3Store, key: str, start_timeout: float) -> Unfinished | None:
    """Return the note of a key. Remove a note without an upload, and abort the uploads of the key.

    A run writes a note without an id before it starts an upload. If the run is killed then, the id
    of the upload is lost. Otherwise, a note with the id follows.
    """
    seen: tuple[str, float] | None = None
    while (found := await store.document(note_key(key), MAX_NOTE)) is not None:
        data, etag = found
        note = UploadNote.parse(data)
        if note is not None:
            return Unfinished(note, etag)
        now = time.monotonic()
        if seen is None or seen[0] != etag:
            seen = etag, now
        if data != starting_note(key) or now - seen[1] >= start_timeout:
            await _abort_unnamed(store, key, etag)
            return None
        await asyncio.sleep(min(_POLL, start_timeout))
    return None


async def _abort_unnamed(store: S3Store, key: str, etag: str) -> None:
    """Abort the uploads of a key that no note names, and remove the note without an id."""
    # Listing uploads needs a permission of its own, and not all services list them.
    with suppress(DestinationError, UnsupportedError):
        uploads = await store.multipart.unfinished(key)
        named = await _named_uploads(store, key) if uploads else set()
        for upload in uploads:
            if upload not in named:
                await store.multipart.abort(key, upload)
    with suppress(ConflictError):
        await store.delete(note_key(key), etag)


async def _named_uploads(store: S3Store, key: str) -> set[str]:
    """Return the ids of uploads in the notes of runs that race for a key."""
    found = set()
    async for page in store.pages(extra_note_start(key)):
        for one in page:
            data = await store.content(one.key)
            note = UploadNote.parse(data) if data is not None else None
            if note is not None:
                found.add(note.upload)
    return found


async def _abort(store: S3Store, key: str, found: Unfinished) -> None:
    """Abort a multipart upload, and remove the note. The note of a later upload stays."""
    await store.multipart.abort(key, found.note.upload)
    with suppress(ConflictError):
        await store.delete(note_key(key), found.etag)
