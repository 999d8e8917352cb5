"""Internal: count the runs in a row in which items of a mirror failed."""

from __future__ import annotations

from collections.abc import Iterable

from stac_asset.concurrency import in_executor
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.failures import failed_runs, read_failures, write_failures
from stac_asset.mirror.storage.interface import MirrorStorage


class FailureCounter:
    """Counts the runs in a row in which items of a mirror failed.

    Args:
        storage: The files of the mirror.
    """

    def __init__(self, storage: MirrorStorage) -> None:
        self._storage = storage
        self._before: dict[Key, int] = {}
        self._failed: set[Key] = set()
        self._completed: set[Key] = set()
        """Items that failed before. Other completed items need no memory."""

    async def begin(self) -> None:
        """Read the numbers of earlier runs.

        Raises:
            DestinationError: A request to an object store failed.
        """
        self._before = await in_executor(self._storage.executor, read_failures, self._storage)

    def add(self, key: Key, failed: bool) -> None:
        """Note the end of an item.

        Args:
            key: The item.
            failed: Whether an asset failed, or the document cannot be mirrored.
        """
        if failed:
            self._failed.add(key)
        elif key in self._before:
            self._completed.add(key)

    def remove(self, keys: Iterable[Key]) -> None:
        """Forget items that left the source.

        Args:
            keys: The items.
        """
        self._completed.update(self._before.keys() & set(keys))

    async def write(self) -> dict[Key, int]:
        """Store the numbers of runs, and return those of the items that failed in this run.

        Raises:
            DestinationError: The file cannot be written.
        """
        return await in_executor(self._storage.executor, self._update)

    def _update(self) -> dict[Key, int]:
        after = failed_runs(self._before, self._failed, self._completed)
        if after != self._before:
            write_failures(self._storage, after)
        return {key: after.get(key, 1) for key in self._failed}
