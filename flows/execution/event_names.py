"""Names of the events that runs send, and a description of each event.

`docs/reference/events.md` is generated from `EVENTS`, and `docs/events.md` describes the payloads.
"""

from __future__ import annotations

from dataclasses import dataclass

ITEM_DOWNLOADED = "stac_asset.item.downloaded"
ITEM_FAILED = "stac_asset.item.failed"
RUN_COMPLETED = "stac_asset.run.completed"
RUN_PROGRESS = "stac_asset.run.progress"
ITEMS_FAILING = "stac_asset.items.failing"
NEARLY_FULL = "stac_asset.destination.nearly_full"
AUDIT_COMPLETED = "stac_asset.audit.completed"
BUDGET_WARNING = "stac-asset.budget.warning"


@dataclass(frozen=True, slots=True)
class EventDescription:
    """Description of an event.

    Args:
        name: The name of the event.
        when: When a run sends the event.
        resource: The id of the resource, with placeholders in angle brackets.
        payload: The fields of the payload.
    """

    name: str
    when: str
    resource: str
    payload: str


_ITEM = (
    "`id`, `collection`, `href`, `document`, `bytes`, `downloaded`, `skipped`, `failed`, `assets`, "
    "`paths`"
)

EVENTS = (
    EventDescription(
        ITEM_DOWNLOADED,
        "None of an item's assets failed, and at least one was downloaded.",
        "stac-asset.item.<item id>",
        _ITEM,
    ),
    EventDescription(
        ITEM_FAILED,
        "At least one asset of an item failed.",
        "stac-asset.item.<item id>",
        f"{_ITEM}, `errors`",
    ),
    EventDescription(
        RUN_PROGRESS,
        "The download begins, and then at most once a minute if bytes arrived or assets ended.",
        "prefect.flow-run.<flow run id>",
        "`received` bytes, `done` and `total` assets",
    ),
    EventDescription(
        RUN_COMPLETED,
        "A run has ended and its document is written, even if assets failed.",
        "stac-asset.run.<flow run id>",
        "the result of the flow, such as `DownloadResult` or `SyncResult`",
    ),
    EventDescription(
        ITEMS_FAILING,
        "Items of a mirror failed in two or more runs in a row: one event for each number of runs.",
        "stac-asset.mirror.<directory>",
        "`runs`, the `count` of items, and the first ten `ids`",
    ),
    EventDescription(
        NEARLY_FULL,
        "Little space is free on the disk of the destination, once per run.",
        "stac-asset.destination.<directory>",
        "`directory`, `free` and `total` bytes, `free_percent`",
    ),
    EventDescription(
        AUDIT_COMPLETED,
        "A run of the flow `audit` has compared a mirror with its source.",
        "stac-asset.run.<flow run id>",
        "the `AuditResult`",
    ),
    EventDescription(
        BUDGET_WARNING,
        "80 % of a budget are used.",
        "stac-asset.budget.<name>",
        "`budget`, `used` and `limit`",
    ),
)
"""All events of this package, without the events of lineage, which are Prefect's."""
