"""Events that automations can wait for: an item has landed or failed, a run has come to its end.

They are sent over one connection, in the background; see docs/events.md for what they hold. A
server that does not take them is no reason to fail: it is said once, and the run goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pystac
from prefect import get_run_logger
from prefect.events import Event
from prefect.events.clients import get_events_client

from prefect_stac_asset.flows.parameters.options import DownloadOptions
from prefect_stac_asset.flows.reporting.lineage import lineage
from prefect_stac_asset.flows.reporting.result import DownloadResult
from stac_asset.plan.planner import Owner
from stac_asset.redact import redact_href, redact_text
from stac_asset.types import Downloaded, Failed, Outcome

ITEM_DOWNLOADED = "stac_asset.item.downloaded"
ITEM_FAILED = "stac_asset.item.failed"
RUN_COMPLETED = "stac_asset.run.completed"

SHOWN = 3
"""How many assets of an item an event names: with many items, events are most of a database."""

_WAITING = 1000
"""Events that may wait; with more, the run waits for the server."""

_LAST = 10.0
"""Seconds that the end of a run waits for the last events to be sent."""


class Events:
    """Sends the events of a run, in the order in which they are given.

    Not `prefect.events.emit_event`: it needs more than twice the time for each, and keeps as many
    as there are where the server is slow.

    Args:
        run_id: The id of the flow run.
        options: Which events there shall be.
    """

    def __init__(self, run_id: str, options: DownloadOptions) -> None:
        self._run_id = run_id
        self._options = options
        self._waiting: asyncio.Queue[Event | None] = asyncio.Queue(_WAITING)
        self._lost = False

    async def item(self, owner: Owner, outcomes: Sequence[Outcome], document: Path | None) -> None:
        """Sends what became of an item; nothing where all of it was there already.

        Args:
            owner: The item; of a collection, the end of the run is all there is to know.
            outcomes: What became of its assets.
            document: The rewritten document of the item alone, if there is one.
        """
        if not isinstance(owner, pystac.Item):
            return
        event = item_event(owner, outcomes, document) if self._options.item_events else None
        if event:
            await self._send(*event)
        if self._options.lineage:
            for name, resource, related, payload in lineage(owner, outcomes, document):
                await self._send(name, resource, payload, related)

    async def completed(self, result: DownloadResult) -> None:
        """Sends that the run has come to its end, though some assets may have failed.

        Args:
            result: The result of the run.
        """
        resource = {"prefect.resource.id": f"stac-asset.run.{self._run_id}"}
        await self._send(RUN_COMPLETED, resource, result.model_dump(mode="json"))

    async def _send(
        self,
        name: str,
        resource: dict[str, str],
        payload: dict[str, Any],
        more: Sequence[dict[str, str]] = (),
    ) -> None:
        if self._lost:
            return
        run = {
            "prefect.resource.id": f"prefect.flow-run.{self._run_id}",
            "prefect.resource.role": "flow-run",
        }
        event = Event.model_validate(
            {"event": name, "resource": resource, "related": [run, *more], "payload": payload}
        )
        await self._waiting.put(event)

    async def _run(self) -> None:
        try:
            async with get_events_client() as client:
                while (event := await self._waiting.get()) is not None:
                    await client.emit(event)
        except Exception as error:
            self._lost = True
            while not self._waiting.empty():
                self._waiting.get_nowait()
            get_run_logger().warning("no more events are sent: %s", error)

    async def __aenter__(self) -> Self:
        self._sending = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None or isinstance(error, Exception):
                async with asyncio.timeout(_LAST):
                    if not self._lost:
                        await self._waiting.put(None)
                    await asyncio.shield(self._sending)
        except TimeoutError:
            get_run_logger().warning("the last events were not sent within %.0f s", _LAST)
        finally:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)


def item_event(
    item: pystac.Item, outcomes: Sequence[Outcome], document: Path | None
) -> tuple[str, dict[str, str], dict[str, Any]] | None:
    """Returns the name, resource and payload of an item's event; None if nothing is new of it.

    Args:
        item: The item.
        outcomes: What became of its assets.
        document: The rewritten document of the item alone, if there is one.
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
    there = [outcome for outcome in outcomes if not isinstance(outcome, Failed)]
    href = item.get_self_href()
    payload: dict[str, Any] = {
        "id": item.id,
        "collection": item.collection_id,
        "href": redact_href(href) if href else None,
        "document": str(document) if document else None,
        "bytes": sum(outcome.size for outcome in there),
        "downloaded": len(downloaded),
        "skipped": len(there) - len(downloaded),
        "failed": len(failed),
        "assets": [
            {
                "key": outcome.transfer.key,
                "href": redact_href(outcome.candidate.href),
                "path": outcome.candidate.path,
                "bytes": outcome.size,
            }
            for outcome in there[:SHOWN]
        ],
    }
    if failed:
        payload["errors"] = [redact_text(str(one.error))[:500] for one in failed[:SHOWN]]
    return ITEM_FAILED if failed else ITEM_DOWNLOADED, resource, payload
