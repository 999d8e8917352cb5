"""The page of events."""

from __future__ import annotations

from prefect_stac_asset.flows.execution.event_names import EVENTS
from scripts.site_pages.markdown import code, table, text_cell

_INTRODUCTION = """# Events

The events that flow runs send to the Prefect server. The page
[Events and automations](../events.md) describes the payloads, and automations that react to events.

"""


def event_page() -> str:
    """Return the page."""
    rows = [
        (code(one.name), text_cell(one.when), code(one.resource), text_cell(one.payload))
        for one in EVENTS
    ]
    return _INTRODUCTION + table(("event", "sent when", "resource id", "payload"), rows)
