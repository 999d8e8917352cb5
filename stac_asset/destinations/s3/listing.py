"""Internal: the objects of a folder of a bucket, listed once per run."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from stac_asset.destinations.buckets.objects import StoredObject
from stac_asset.destinations.s3.keys import note_key
from stac_asset.destinations.s3.store import S3Store

_MAX_FOLDERS = 1_000
"""Maximum number of listings that are kept."""

_MAX_PAGES = 20
"""Maximum number of pages of a listing, each of 1,000 objects. Larger folders get no listing."""


class Folders:
    """The listings of a run.

    A folder has one listing for all its files, in place of two requests per file. What this run
    writes is recorded.

    Args:
        store: The bucket.
    """

    def __init__(self, store: S3Store) -> None:
        self._store = store
        self._listed: OrderedDict[str, asyncio.Task[dict[str, StoredObject] | None]] = OrderedDict()

    async def find(self, key: str) -> StoredObject | None:
        """Return an existing object without its metadata, if any.

        Args:
            key: The key in the bucket.

        Raises:
            DestinationError: The request failed.
        """
        found = await self._listing(key)
        return found.get(key) if found is not None else await self._store.head(key)

    async def has_note(self, key: str) -> bool:
        """Return whether a key has, or may have, the note of an unfinished upload.

        Args:
            key: The key of the file in the bucket.

        Raises:
            DestinationError: The request failed.
        """
        found = await self._listing(key)
        return found is None or note_key(key) in found

    async def record(self, key: str, found: StoredObject | None) -> None:
        """Record a written object without a note, or a removed object.

        Args:
            key: The key in the bucket.
            found: The object, or None if it was removed.
        """
        task = self._listed.get(_folder(key))
        listing = await task if task is not None else None
        if listing is not None:
            listing.pop(key, None)
            if found is not None:
                listing.pop(note_key(key), None)
                listing[key] = found

    def forget(self, key: str) -> None:
        """Ask the service again for the folder of a key.

        Args:
            key: The key in the bucket.
        """
        self._listed.pop(_folder(key), None)

    def forget_below(self, key: str) -> None:
        """Ask the service again for the folder of a key, and for the folders in this folder.

        Args:
            key: The key in the bucket.
        """
        folder = _folder(key)
        for listed in [one for one in self._listed if one.startswith(folder)]:
            del self._listed[listed]

    def pending(self) -> list[asyncio.Task[dict[str, StoredObject] | None]]:
        """Return the listings that have not ended."""
        return [task for task in self._listed.values() if not task.done()]

    async def _listing(self, key: str) -> dict[str, StoredObject] | None:
        folder = _folder(key)
        task = self._listed.get(folder)
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            task = asyncio.create_task(self._list(folder))
            self._listed[folder] = task
            if len(self._listed) > _MAX_FOLDERS:
                self._listed.popitem(last=False)
        return await asyncio.shield(task)

    async def _list(self, folder: str) -> dict[str, StoredObject] | None:
        """Return the objects of a folder by key. Large folders have no listing."""
        found: dict[str, StoredObject] = {}
        pages = 0
        async for page in self._store.pages(folder, delimiter="/"):
            pages += 1
            if pages > _MAX_PAGES:
                return None
            found.update((one.key, one) for one in page)
        return found


def _folder(key: str) -> str:
    return key[: key.rfind("/") + 1]
