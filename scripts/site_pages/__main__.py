"""Print the generated pages as a JSON object: names and Markdown."""

from __future__ import annotations

import json
import sys

from scripts.site_pages.block_page import block_page
from scripts.site_pages.command_page import command_page
from scripts.site_pages.decision_page import decision_page
from scripts.site_pages.error_page import error_page
from scripts.site_pages.event_page import event_page
from scripts.site_pages.flow_page import flow_page, task_page
from scripts.site_pages.library_page import library_page
from scripts.site_pages.metric_page import metric_page
from scripts.site_pages.option_page import option_page
from scripts.site_pages.state_page import state_page

PAGES = {
    "decisions/index.md": decision_page,
    "reference/library.md": library_page,
    "reference/options.md": option_page,
    "reference/command-line.md": command_page,
    "reference/flows.md": flow_page,
    "reference/tasks.md": task_page,
    "reference/blocks.md": block_page,
    "reference/states.md": state_page,
    "reference/events.md": event_page,
    "reference/metrics.md": metric_page,
    "reference/errors.md": error_page,
}
"""Functions that return the Markdown of the pages."""

if __name__ == "__main__":
    json.dump({name: page() for name, page in PAGES.items()}, sys.stdout)
