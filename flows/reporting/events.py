"""Send the events of a run: item downloaded, item failed, run progress, run completed.

Automations can react to these events. `docs/events.md` documents their content. All events of a run
are sent in the background over one connection. If the server refuses them, a warning is logged once
and the run continues without events.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pystac
from prefect import get_run_logger
from prefect.events import Event, RelatedResource
from prefect.events.clients import get_events_client
from prefect.runtime import deployment

from prefect_stac_asset.flows.execution.event_names import (
    ITEM_DOWNLOADED,
    ITEM_FAILED,
    RUN_COMPLETED,
    RUN_PROGRESS,
)
from prefect_stac_asset.flows.parameters.options import DownloadOptions
from prefect_stac_asset.flows.reporting.collection_lineage import CollectionLineage
from prefect_stac_asset.flows.reporting.lineage import lineage
from prefect_stac_asset.flows.reporting.result import DownloadResult
from stac_asset.destinations.location import Location
from stac_asset.plan.owners import Owner
from stac_asset.redact import redact_href, redact_text
from stac_asset.types import Downloaded, Failed, Outcome

_MAX_ASSETS = 3
"""Maximum number of assets in an event. Events can fill most of the server's database."""

_MAX_PATHS = 1000
"""Maximum number of paths in an event. The server refuses events of more than 1.5 MB."""

_MAX_QUEUED = 1000
"""Maximum number of queued events. When the queue is full, the run waits for the server."""

_FLUSH_TIMEOUT = 10.0
"""Maximum number of seconds to wait for the last events at the end of a run."""


class Events:
    """Queue the events of a run in order. Created by `open_events`.

    `prefect.events.emit_event` is not used: it takes more than twice the time per event, and its
    queue has no limit when the server is slow.

    Args:
        run_id: The id of the flow run.
        options: The options that select events and lineage.
        deployment_id: The id of the deployment of the run, if any.
    """

    def __init__(
        self, run_id: str, options: DownloadOptions, deployment_id: str | None = None
    ) -> None:
        self._run = f"prefect.flow-run.{run_id}"
        # Validated once, as all events have them.
        self._related = [_related("flow-run", self._run)]
        if deployment_id is not None:
            self._related.append(_related("deployment", f"prefect.deployment.{deployment_id}"))
        self._run_id = run_id
        self._options = options
        self._collections = CollectionLineage(options.lineage_owners)
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue(_MAX_QUEUED)
        self._is_disabled = False

    async def item(
        self, owner: Owner, outcomes: Sequence[Outcome], document: Location | None
    ) -> None:
        """Send the events of a finished item, unless all assets already existed.

        Args:
            owner: The item. Collections have no item event; `completed` reports them.
            outcomes: The outcomes of the assets.
            document: The rewritten document of the item, if the item has its own.
        """
        if not isinstance(owner, pystac.Item):
            return
        event = item_event(owner, outcomes, document) if self._options.item_events else None
        if event:
            await self.put(*event)
        if self._options.lineage:
            self._collections.add(owner, outcomes)
            owners = self._options.lineage_owners
            for name, resource, related, payload in lineage(owner, outcomes, document, owners):
                await self.put(name, resource, payload, related)

    async def completed(self, result: DownloadResult) -> None:
        """Send the event of a completed run. Some assets of the run may have failed.

        The events of its collections precede this event.

        Args:
            result: The result of the run.
        """
        for name, about, related, payload in self._collections.events(result.directory):
            await self.put(name, about, payload, related)
        resource = {"prefect.resource.id": f"stac-asset.run.{self._run_id}"}
        await self.put(RUN_COMPLETED, resource, result.model_dump(mode="json"))

    async def progress(self, received: int, done: int, total: int) -> None:
        """Send the event of a run that transfers files. The resource is the flow run.

        Args:
            received: Number of bytes received so far.
            done: Number of finished assets.
            total: Number of planned assets.
        """
        payload = {"received": received, "done": done, "total": total}
        resource = {"prefect.resource.id": self._run}
        await self.put(RUN_PROGRESS, resource, payload)

    async def send_queued(self) -> None:
        """Send queued events until `flush` ends the queue or the server refuses an event."""
        try:
            async with get_events_client() as client:
                while (event := await self._queue.get()) is not None:
                    await client.emit(event)
        except Exception as error:
            self._is_disabled = True
            while not self._queue.empty():
                self._queue.get_nowait()
            get_run_logger().warning("Sending events failed (%s); no more events are sent.", error)

    async def flush(self, sending: asyncio.Task[None]) -> None:
        """Wait until the queued events are sent, for at most `_FLUSH_TIMEOUT` seconds.

        Args:
            sending: The task that runs `send_queued`.
        """
        try:
            async with asyncio.timeout(_FLUSH_TIMEOUT):
                if not self._is_disabled:
                    await self._queue.put(None)
                await asyncio.shield(sending)
        except TimeoutError:
            get_run_logger().warning(
                "The last events of the run were not sent within %.0f s.", _FLUSH_TIMEOUT
            )

    async def put(
        self,
        name: str,
        resource: dict[str, str],
        payload: dict[str, Any],
        related: Sequence[dict[str, str]] = (),
    ) -> None:
        """Queue an event, related to the flow run and the deployment.

        Args:
            name: The name of the event.
            resource: The resource of the event.
            payload: The payload, as JSON values.
            related: Further related resources.
        """
        if self._is_disabled:
            return
        event = Event.model_validate(
            {
                "event": name,
                "resource": resource,
                "related": [*self._related, *related],
                "payload": payload,
            }
        )
        await self._queue.put(event)


@asynccontextmanager
async def open_events(run_id: str, options: DownloadOptions) -> AsyncIterator[Events]:
    """Send the events of a run until the context ends. A cancelled run drops queued events.

    Args:
        run_id: The id of the flow run.
        options: The options that select events and lineage.
    """
    events = Events(run_id, options, deployment.id)
    sending = asyncio.create_task(events.send_queued())
    try:
        yield events
    except Exception:
        await events.flush(sending)
        raise
    else:
        await events.flush(sending)
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


def _related(role: str, resource_id: str) -> RelatedResource:
    return RelatedResource({"prefect.resource.id": resource_id, "prefect.resource.role": role})


def item_event(
    item: pystac.Item, outcomes: Sequence[Outcome], document: Location | None
) -> tuple[str, dict[str, str], dict[str, Any]] | None:
    """Return the name, resource and payload of an item's event.

    Args:
        item: The item.
        outcomes: The outcomes of the assets.
        document: The rewritten document of the item, if the item has its own.

    Returns:
        The event, or None if all assets already existed.
    """
    downloaded = [outcome for outcome in outcomes if isinstance(outcome, Downloaded)]
    failed = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
    if not downloaded and not failed:
        return None
    resource = {
        "prefect.resource.id": f"stac-asset.item.{item.id}",
        "prefect.resource.name": str(item.id),
        "stac-asset.collection": str(item.collection_id or ""),
    }
    present = [outcome for outcome in outcomes if not isinstance(outcome, Failed)]
    href = item.get_self_href()
    payload: dict[str, Any] = {
        "id": item.id,
        "collection": item.collection_id,
        "href": redact_href(href) if href else None,
        "document": str(document) if document else None,
        "bytes": sum(outcome.size for outcome in present),
        "downloaded": len(downloaded),
        "skipped": len(present) - len(downloaded),
        "failed": len(failed),
        "assets": [
            {
                "key": outcome.transfer.key,
                "href": redact_href(outcome.candidate.href),
                "path": outcome.candidate.path,
                "bytes": outcome.size,
            }
            for outcome in present[:_MAX_ASSETS]
        ],
        "paths": {outcome.transfer.key: outcome.candidate.path for outcome in present}
        if len(present) <= _MAX_PATHS
        else None,
    }
    if failed:
        payload["errors"] = [redact_text(str(one.error))[:500] for one in failed[:_MAX_ASSETS]]
    return ITEM_FAILED if failed else ITEM_DOWNLOADED, resource, payload
