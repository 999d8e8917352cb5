"""Through Prefect's UI in a real browser: a run is started from the form, and its artifacts seen.

    UPDATE_DOCS=1 make test ARGS=tests/browser

takes the pictures of `docs/images` anew.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, Route, expect, sync_playwright
from prefect.blocks.core import Block

from prefect_stac_asset.blocks.registry import OUR_BLOCKS
from stac_asset.testing import Origin
from tests.deployments.stacks import ROOT, Running, running_stack
from tests.make_item import make_item

CHROMIUM = shutil.which("chromium")
LOGOS = "https://github.com/prefect-stac-asset/prefect-stac-asset/raw/main/blocks/logos/"
PATIENCE = 120_000
"""Milliseconds: the machine may have much else to do."""

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="chromium is absent: scripts/install-system-packages brings it"
)


@pytest.fixture(scope="module")
def stack() -> Iterator[Running]:
    # A short path, as it is in the pictures.
    with (
        tempfile.TemporaryDirectory(prefix="up-") as folder,
        running_stack(Path(folder), PREFECT_WORKER_QUERY_SECONDS="1") as running,
    ):
        yield running


@pytest.fixture
def called() -> set[str]:
    """The hosts that the browser would have called, had it been let."""
    return set()


@pytest.fixture
def page(stack: Running, called: set[str]) -> Iterator[Page]:
    """A page of a browser that reaches loopback alone."""

    def guard(route: Route) -> None:
        url = urlsplit(route.request.url)
        host = url.hostname or ""
        if host == "127.0.0.1" or url.scheme in ("data", "blob"):
            route.continue_()
        elif route.request.url.startswith(LOGOS):
            route.fulfill(path=ROOT / "blocks" / "logos" / PurePosixPath(url.path).name)
        else:
            called.add(host)
            route.abort()

    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        page = browser.new_page(viewport={"width": 1400, "height": 900}, color_scheme="light")
        page.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        page.route("**/*", guard)
        yield page
        browser.close()


def save_credentials(stack: Running, name: str, host: str) -> None:
    """Saves a block with a token for a host."""
    save = (
        "from prefect_stac_asset.blocks import HttpCredentials\n"
        f"HttpCredentials(hosts=['{host}'], token='s3same').save('{name}', overwrite=True)"
    )
    environment = {**os.environ, "PREFECT_API_URL": f"{stack.url}/api"}
    subprocess.run([sys.executable, "-c", save], cwd=ROOT, env=environment, check=True)


def field(page: Page, title: str) -> Locator:
    """Returns the field of the form that has a title."""
    label = page.locator("label").get_by_text(title, exact=True)
    return page.locator("div.group").filter(has=label).last


def submit(page: Page) -> Any:
    """Submits the form, as often as the server says that it is busy, and returns what was sent.

    SQLite has one writer. Where another one is at work, the server answers 503; Prefect's client
    asks again then, but its pages leave that to the person in front of them.
    """
    while True:
        with page.expect_response(lambda answer: answer.url.endswith("/create_flow_run")) as sent:
            page.get_by_role("button", name="Submit", exact=True).click()
        if sent.value.status != 503:
            return sent.value.request.post_data_json


def picture(page: Page, name: str) -> None:
    """Takes a picture for the documents, where they are to be made anew."""
    if os.environ.get("UPDATE_DOCS"):
        page.add_style_tag(content="[data-sonner-toaster] { display: none }")
        page.screenshot(path=ROOT / "docs" / "images" / f"{name}.png", animations="disabled")


def test_run_from_the_form_to_its_artifacts(
    stack: Running, page: Page, called: set[str], origin: Origin
) -> None:
    href = make_item(origin, "visual", "thumbnail")
    origin.require("Authorization", "Bearer s3same")
    save_credentials(stack, "archive", origin.url)
    save_credentials(stack, "another", "https://example.com")

    page.goto(stack.url)
    page.get_by_role("link", name="Deployments", exact=True).click()
    # Not the links to the flow, which have the same name.
    deployments = page.locator("a[href*='/deployments/deployment/']")
    deployments.get_by_text("download-item", exact=True).click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Custom run").click()

    field(page, "Item").locator("textarea").fill(href)
    field(page, "Directory").locator("textarea").fill("from-the-form")
    credentials = field(page, "Credentials (Optional)")
    credentials.get_by_role("tab", name="HttpCredentials").click()
    credentials.get_by_role("button", name="Select a block").click()
    page.get_by_role("option", name="archive", exact=True).click()
    expect(page.get_by_role("option", name="archive", exact=True)).to_have_count(0)
    picture(page, "run-form")
    expect(page.get_by_text("Include only these assets")).to_have_count(0)  # folded away
    field(page, "Options (Optional)").get_by_role("tab", name="Set").first.click()
    only = field(page, "Include only these assets (Optional)")
    only.get_by_role("button", name="Add item").click()
    only.locator("textarea").fill("visual")
    title = "Write checksums and sizes to documents (Optional)"
    field(page, title).get_by_role("switch").click()
    expect(page.get_by_text("Maximum HTTP attempts")).to_have_count(0)  # folded away
    field(page, "Attempts and timeouts (Optional)").get_by_role("tab", name="Set").click()
    field(page, "Maximum HTTP attempts (Optional)").locator("input").fill("3")
    (reference,) = submit(page)["parameters"]["credentials"].items()
    name, document = reference
    assert name == "$ref"
    assert document.keys() == {"block_document_id"}

    page.get_by_role("link", name="download item.json to from-the-form").first.click()
    expect(page.get_by_text("Completed", exact=True).first).to_be_visible()
    page.get_by_role("tab", name="Artifacts").click()
    expect(page.get_by_text("stac-asset-summary")).to_be_visible()
    page.get_by_text("stac-asset-summary").click()
    page.locator("a[href*='/artifacts/artifact/']").first.click()
    expect(page.get_by_text("1 of 1 assets downloaded").first).to_be_visible()
    expect(page.get_by_text("downloaded").first).to_be_visible()
    picture(page, "artifact")

    folder = stack.folder / "data" / "from-the-form"
    assert (folder / "visual.tif").read_bytes() == origin.content("/visual.tif")
    assert not (folder / "thumbnail.tif").exists()
    assert "file:checksum" in (folder / "the-item.json").read_text()
    # The pages ask for the settings of their statistics even where none are made; and none are.
    assert called <= {"sr-client-cfg.amplitude.com"}


@pytest.mark.parametrize("kind", OUR_BLOCKS, ids=lambda kind: kind.__name__)
def test_form_of_a_new_block_has_all_fields(stack: Running, page: Page, kind: type[Block]) -> None:
    page.goto(f"{stack.url}/blocks/catalog/{kind.get_block_type_slug()}/create")
    for name, field in kind.model_fields.items():
        title = re.compile(rf"^{field.title}( \(Optional\))?$")
        expect(page.get_by_text(title).first, name).to_be_visible()
