"""Fields of forms in Prefect's UI, screenshots, and commands beside Playwright."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from playwright.sync_api import Locator, Page, Response

from tests.support.paths import ROOT

_T = TypeVar("_T")


def field(page: Page, title: str) -> Locator:
    """Return the form field with a title."""
    label = page.locator("label").get_by_text(title, exact=True)
    return page.locator("div.group").filter(has=label).last


def submit(page: Page) -> Response:
    """Submit the form, and return the response of the server.

    The server responds with 503 while SQLite is locked. Unlike Prefect's client, the UI does not
    retry the request.
    """
    while True:
        with page.expect_response(
            lambda response: response.url.endswith("/create_flow_run")
        ) as response:
            page.get_by_role("button", name="Submit", exact=True).click()
        if response.value.status != 503:
            return response.value


def take_screenshot(page: Page, name: str) -> None:
    """Update a picture of the documentation, for each theme, if UPDATE_DOCS is set."""
    if not os.environ.get("UPDATE_DOCS"):
        return
    page.add_style_tag(content="[data-sonner-toaster] { display: none }")
    # A click on a wide field scrolls the form to the right.
    page.evaluate("document.querySelectorAll('*').forEach(one => { one.scrollLeft = 0 })")
    images = ROOT / "docs" / "images"
    for theme, suffix in (("dark", "-dark"), ("light", "")):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type] # a literal
        page.wait_for_timeout(6000)  # The graph of a run is drawn again.
        page.screenshot(path=images / f"{name}{suffix}.png", animations="disabled")


def in_thread(command: Callable[[], _T]) -> _T:
    """Run a command that starts an event loop. Playwright has an event loop in this thread."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(command).result()
