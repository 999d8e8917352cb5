"""The page of states."""

from __future__ import annotations

from prefect_stac_asset.flows.execution.state_names import STATES
from scripts.site_pages.markdown import code, table, text_cell

_INTRODUCTION = """# States

The states of flow runs and task runs. Automations can react to the name and to the type of a
state. The page [States by event](../states.md) shows the states for each way to handle errors.

"""


def state_page() -> str:
    """Return the page."""
    rows = [
        (code(one.name), code(one.type), one.runs, text_cell(one.when), text_cell(one.action))
        for one in STATES
    ]
    return _INTRODUCTION + table(("state", "type", "runs", "when", "what to do"), rows)
