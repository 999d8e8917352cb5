"""Chromium, and pages without access to other hosts."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, Request, expect, sync_playwright

TIMEOUT_MS = 120_000
"""Timeout of browser actions, in milliseconds, for busy machines."""


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of Chromium. Skip the tests if Chromium is missing."""
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("chromium is not installed. Run scripts/install-system-packages.")
    return found


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[BrowserContext]:
    """Chromium, which starts once for the tests of a file."""
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    # A handler of all requests would also block them, and disable the cache of the browser.
    flags.append("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=flags)
        yield running.new_context(
            viewport={"width": 1400, "height": 900}, color_scheme="light", reduced_motion="reduce"
        )
        running.close()


@pytest.fixture
def blocked_hosts() -> set[str]:
    """Hosts of blocked requests of the browser."""
    return set()


@pytest.fixture
def page(browser: BrowserContext, blocked_hosts: set[str]) -> Iterator[Page]:
    """Browser page that can only send requests to the loopback interface."""

    def record_host(request: Request) -> None:
        url = urlsplit(request.url)
        if url.hostname != "127.0.0.1" and url.scheme not in ("data", "blob"):
            blocked_hosts.add(url.hostname or "")

    page = browser.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    expect.set_options(timeout=TIMEOUT_MS)
    page.on("request", record_host)
    yield page
    page.close()
