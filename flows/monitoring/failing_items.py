"""Internal: items of a mirror that fail in several runs in a row, and events of these items."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from prefect_stac_asset.flows.reporting.events import Events
from stac_asset.concurrency import in_executor
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.failures import failed_runs, read_failures, write_failures
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.redact import shortened

ITEMS_FAILING = "stac_asset.items.failing"

FAILED_RUNS = "stac-asset.failed-runs"
"""Label with the number of runs in a row in which the items of the event failed."""

_MAX_SHOWN = 10
"""Maximum number of items in an event."""

_MAX_SHOWN_LENGTH = 200
"""Maximum length of an id in an event, in characters. The source chooses the ids."""


class FailingItems:
    """Count the runs in a row in which items of a mirror failed.

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

    async def finish(self, events: Events) -> None:
        """Store the numbers of runs, and send an event for each number from 2.

        Args:
            events: The events of the run.

        Raises:
            DestinationError: The file cannot be written.
        """
        runs = await in_executor(self._storage.executor, self._update)
        for event in failing_events(str(self._storage.directory), runs):
            await events.put(*event)

    def _update(self) -> dict[Key, int]:
        """Update the stored numbers, and return those of the items that failed in this run."""
        after = failed_runs(self._before, self._failed, self._completed)
        if after != self._before:
            write_failures(self._storage, after)
        return {key: after.get(key, 1) for key in self._failed}


def failing_events(
    directory: str, runs: dict[Key, int]
) -> Iterator[tuple[str, dict[str, str], dict[str, Any]]]:
    """Yield the name, resource and payload of an event for each number of runs, from 2.

    An automation that expects one number is therefore triggered once for each failing item.

    Args:
        directory: The location of the mirror.
        runs: For each item that failed in this run, the number of runs in a row.
    """
    for number in sorted({number for number in runs.values() if number > 1}):
        ids = sorted(key.id for key, failed in runs.items() if failed == number)
        shown = [shortened(one, _MAX_SHOWN_LENGTH) for one in ids[:_MAX_SHOWN]]
        resource = {
            "prefect.resource.id": f"stac-asset.mirror.{directory}",
            FAILED_RUNS: str(number),
        }
        payload = {"runs": number, "count": len(ids), "ids": shown}
        yield ITEMS_FAILING, resource, payload
