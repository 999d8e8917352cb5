"""Internal: finds leftovers of interrupted runs in a prefix: unfinished uploads, notes and leases.

An unfinished multipart upload shows neither metadata nor tags. So an upload counts as one of this
library only if the note object beside its key names its id, or was written before the upload.
"""

from __future__ import annotations

from stac_asset.destinations.buckets.keys import PROBE, Prefix, names_file
from stac_asset.destinations.buckets.objects import StoredObject
from stac_asset.destinations.part_names import is_part_name
from stac_asset.destinations.s3.keys import note_key
from stac_asset.destinations.s3.note import STARTING, UploadNote
from stac_asset.destinations.s3.objects import StartedUpload
from stac_asset.destinations.s3.store import S3Store
from stac_asset.destinations.values import Leftover

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
    found: list[Leftover] = []
    with_upload: set[str] = set()
    for upload in uploads:
        note = small.get(note_key(upload.key))
        if note is not None and not await _names(store, note.key, upload.upload):
            note = None
        if note is not None:
            with_upload.add(note.key)
        found.append(await _of_upload(store, prefix, upload, note, now))
    for key, one in small.items():
        age = max(0.0, now - one.changed)
        if key in with_upload or (key.endswith(_LEASE) and age < _MIN_LEASE_AGE):
            continue
        found.append(Leftover(store.url_of(key), age, one.size, (key.removeprefix(prefix.path),)))
    return sorted(found, key=lambda leftover: leftover.location)


async def _names(store: S3Store, note: str, upload: str) -> bool:
    """Return whether a note object is of an upload: names the id, or was written before."""
    data = await store.content(note)
    if data is None:
        return False
    parsed = UploadNote.parse(data)
    return data == STARTING or (parsed is not None and parsed.upload == upload)


async def _of_upload(
    store: S3Store, prefix: Prefix, upload: StartedUpload, note: StoredObject | None, now: float
) -> Leftover:
    """Return the leftover of an upload. The age is the time since the last part arrived."""
    parts = await store.multipart.parts(upload.key, upload.upload) or []
    times = [upload.started, *(part.changed for part in parts)]
    if note is not None:
        times.append(note.changed)
    return Leftover(
        location=store.url_of(upload.key),
        age=max(0.0, now - max(times)),
        size=sum(part.size for part in parts),
        keys=(upload.key.removeprefix(prefix.path),),
        upload=upload.upload,
        is_foreign=note is None,
    )


async def remove_upload(store: S3Store, key: str, upload: str) -> None:
    """Abort an unfinished upload, and remove the note. The note of a later upload stays.

    Args:
        store: The bucket.
        key: The key of the object.
        upload: The id of the upload.

    Raises:
        DestinationError: A request failed.
    """
    await store.multipart.abort(key, upload)
    if await _names(store, note_key(key), upload):
        await store.delete(note_key(key))
