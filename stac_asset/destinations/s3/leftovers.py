"""Internal: finds leftovers of interrupted runs in a prefix: unfinished uploads, notes and leases.

An unfinished multipart upload shows neither metadata nor tags. So an upload counts as one of this
library only if a note object beside its key names its id, or was written before the upload.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from stac_asset.destinations.buckets.keys import PROBE, Prefix, names_file
from stac_asset.destinations.buckets.objects import StoredObject
from stac_asset.destinations.part_names import is_part_name
from stac_asset.destinations.s3.keys import note_key
from stac_asset.destinations.s3.note import UploadNote, starting_note
from stac_asset.destinations.s3.objects import StartedUpload
from stac_asset.destinations.s3.store import S3Store
from stac_asset.destinations.values import Leftover

_NOTE = ".part.json"
"""End of the name of a note."""

_LEASE = ".part.lock"
"""End of the name of a lease."""

_MIN_LEASE_AGE = 60.0
"""Age in seconds from which a lease counts as abandoned. Running uploads renew leases."""


async def list_leftovers(store: S3Store, prefix: Prefix) -> list[Leftover]:
    """Return the leftovers of a prefix.

    Args:
        store: The bucket.
        prefix: The prefix.

    Raises:
        DestinationError: A request failed.
    """
    # A running upload is listed before its note is written. So notes are listed first: such an
    # upload then counts as foreign, and its note is no leftover without an upload.
    small: dict[str, StoredObject] = {}
    async for page in store.pages(prefix.path):
        for one in page:
            name = one.key.rpartition("/")[2]
            if names_file(one.key) and (is_part_name(name) or name.startswith(PROBE)):
                small[one.key] = one
    uploads, now = await store.multipart.started(prefix.path)
    notes = await _notes_of(store, uploads, small)
    found = [await _of_upload(store, prefix, one, notes.get(one.upload), now) for one in uploads]
    with_upload = {note.key for note in notes.values()}
    for key, one in small.items():
        age = max(0.0, now - one.changed)
        if key in with_upload or (key.endswith(_LEASE) and age < _MIN_LEASE_AGE):
            continue
        found.append(Leftover(store.url_of(key), age, one.size, (key.removeprefix(prefix.path),)))
    return sorted(found, key=lambda leftover: leftover.location)


async def _notes_of(
    store: S3Store, uploads: list[StartedUpload], small: Mapping[str, StoredObject]
) -> dict[str, StoredObject]:
    """Return the note of each upload that has a note, by the id of the upload."""
    found: dict[str, StoredObject] = {}
    others = {key for key in small if key.endswith(_NOTE)}
    for upload in uploads:
        key = note_key(upload.key)
        if key in small:
            others.discard(key)
            if await _names(store, key, upload):
                found[upload.upload] = small[key]
    # Runs that race for a key write notes of other names.
    without = [upload for upload in uploads if upload.upload not in found]
    for key in sorted(others) if without else ():
        data = await store.content(key)
        for upload in without:
            if data is not None and _is_note_of(data, upload):
                found.setdefault(upload.upload, small[key])
    return found


async def _names(store: S3Store, note: str, upload: StartedUpload) -> bool:
    """Return whether a note object is that of an upload."""
    data = await store.content(note)
    return data is not None and _is_note_of(data, upload)


def _is_note_of(data: bytes, upload: StartedUpload) -> bool:
    """Return whether a note names the id of an upload, or was written before the upload."""
    note = UploadNote.parse(data)
    return data == starting_note(upload.key) or (note is not None and note.upload == upload.upload)


async def _of_upload(
    store: S3Store, prefix: Prefix, upload: StartedUpload, note: StoredObject | None, now: float
) -> Leftover:
    """Return the leftover of an upload. The age is the time since the last part arrived."""
    parts = await store.multipart.parts(upload.key, upload.upload) or []
    times = [upload.started, *(part.changed for part in parts)]
    if note is not None:
        times.append(note.changed)
    keys = [upload.key, note.key] if note is not None else [upload.key]
    return Leftover(
        location=store.url_of(upload.key),
        age=max(0.0, now - max(times)),
        size=sum(part.size for part in parts),
        keys=tuple(key.removeprefix(prefix.path) for key in keys),
        upload=upload.upload,
        is_foreign=note is None,
    )


async def remove_upload(store: S3Store, upload: StartedUpload, notes: Iterable[str]) -> None:
    """Abort an unfinished upload, and remove its note. The note of a later upload stays.

    Args:
        store: The bucket.
        upload: The upload.
        notes: The keys of its notes in the bucket.

    Raises:
        DestinationError: A request failed.
    """
    await store.multipart.abort(upload.key, upload.upload)
    for note in notes:
        if await _names(store, note, upload):
            await store.delete(note)
