"""Internal: items of a mirror that fail in several runs in a row, and events of these items."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prefect_stac_asset.flows.execution.event_names import ITEMS_FAILING
from prefect_stac_asset.flows.reporting.events import Events
from stac_asset.mirror.failing_items import FailureCounter
from stac_asset.mirror.source_item import Key
from stac_asset.redact import shortened

FAILED_RUNS = "stac-asset.failed-runs"
"""Label with the number of runs in a row in which the items of the event failed."""

_MAX_SHOWN = 10
"""Maximum number of items in an event."""

_MAX_SHOWN_LENGTH = 200
"""Maximum length of an id in an event, in characters. The source chooses the ids."""


class FailingItems(FailureCounter):
    """Count the runs in a row in which items of a mirror failed, and send events."""

    async def finish(self, events: Events) -> None:
        """Store the numbers of runs, and send an event for each number from 2.

        Args:
            events: The events of the run.

        Raises:
            DestinationError: The file cannot be written.
        """
        runs = await self.write()
        for event in failing_events(str(self._storage.directory), runs):
            await events.put(*event)


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
