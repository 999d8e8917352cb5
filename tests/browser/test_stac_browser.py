"""STAC Browser opens a mirror over HTTP, from a directory and from a bucket.

The server of the source is stopped before, so that the mirror needs no other host.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import ConsoleMessage, Page, expect

from stac_asset import Config
from stac_asset.sync import sync_mirror
from stac_asset.testing import Origin
from tests.support.azurite import NODE
from tests.support.documented_code import code_blocks
from tests.support.mirror_runs import build_item, serve_api
from tests.support.paths import ROOT
from tests.support.s3_buckets import KEY, SECRET
from tests.support.s3_destinations import Bucket, moto_service
from tests.support.servers import rclone_http
from tests.support.store_mirrors import mirror_url

ITEM = "S2A a+b/c#d%e"
ITEMS = ("one", "two", ITEM)
PAGE = ROOT / "docs" / "mirror.md"
THUMBNAIL = ROOT / "docs" / "images" / "tutorial-artifact.png"
_DIGEST = """async href => {
    const response = await fetch(href);
    const digest = await crypto.subtle.digest('SHA-256', await response.arrayBuffer());
    const bytes = Array.from(new Uint8Array(digest), byte => byte.toString(16).padStart(2, '0'));
    return [response.status, bytes.join('')];
}"""
"""Downloads a file from another host, as far as the server permits the page to do so."""

_WIDTH = "image => image.decode().then(() => image.naturalWidth)"

# Without Chromium, the tests are skipped before the other fixtures start.
pytestmark = pytest.mark.usefixtures("chromium")


@dataclass(frozen=True)
class Mirrors:
    """A mirror in a directory, and the same mirror in a bucket.

    Attributes:
        folder: The directory.
        urls: The URLs of the mirrors, by place.
        digests: The SHA-256 checksums of the files of `ITEM`, by name.
    """

    folder: Path
    urls: dict[str, str]
    digests: dict[str, str]


@pytest.fixture(scope="module")
def mirrors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirrors]:
    folder = tmp_path_factory.mktemp("mirror")
    with moto_service() as endpoint:
        with Origin() as origin:
            items = [_item(origin, number) for number in range(len(ITEMS))]
            href = serve_api(origin, items)
            bucket = asyncio.run(_write_mirrors(href, folder, endpoint))
            digests = {
                name: hashlib.sha256(origin.content(f"/{ITEMS.index(ITEM)}/{name}")).hexdigest()
                for name in ("image.tif", "small view.png")
            }
        with rclone_http(folder, "--allow-origin=*") as url:
            yield Mirrors(folder, {"directory": url, "bucket": bucket}, digests)


async def _write_mirrors(href: str, folder: Path, endpoint: str) -> str:
    """Write both mirrors, and return the URL of the mirror in the bucket."""
    store = Config(
        destination_endpoint_url=endpoint,
        destination_access_key_id=KEY,
        destination_secret_access_key=SECRET,
        destination_acl="public-read",
    )
    async with Bucket.create(endpoint) as bucket:
        (rules,) = (block.text for block in code_blocks(PAGE) if "CORSRules" in block.text)
        await bucket.client.put_bucket_cors(Bucket=bucket.name, CORSConfiguration=json.loads(rules))
        for directory, config in ((folder, None), (mirror_url(bucket), store)):
            summary = await sync_mirror(href, directory, config=config)
            assert summary.error is None
        return f"{endpoint}/{bucket.name}/{bucket.prefix}"


def _item(origin: Origin, number: int) -> dict[str, Any]:
    """Return an item with an image and a thumbnail."""
    item = build_item(origin, str(number), "image")
    item["id"] = ITEMS[number]
    item["properties"]["title"] = f"Scene {ITEMS[number]}"
    thumbnail = THUMBNAIL.read_bytes()
    item["assets"]["image"] |= {
        "href": origin.put(f"/{number}/image.tif", size=1000),
        "type": "image/tiff; application=geotiff",
        "roles": ["data"],
    }
    item["assets"]["thumbnail"] = {
        "href": origin.put(f"/{number}/small view.png", thumbnail, content_type="image/png"),
        "type": "image/png",
        "roles": ["thumbnail"],
    }
    return item


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bundle STAC Browser, and yield the URL. Skip the tests if it is not installed."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed; the bundler of STAC Browser requires node")
    if not (NODE / "node_modules" / "@radiantearth" / "stac-browser").exists():
        pytest.skip("STAC Browser is not installed: run npm ci --prefix tests/node")
    folder = tmp_path_factory.mktemp("viewer")
    subprocess.run(["node", NODE / "stac-browser.mjs", folder], check=True)
    with rclone_http(folder) as url:
        yield url


@pytest.mark.parametrize("place", ["directory", "bucket"])
def test_stac_browser_opens_mirror(
    place: str, mirrors: Mirrors, viewer: str, page: Page, blocked_hosts: set[str]
) -> None:
    url = mirrors.urls[place]
    errors = _recorded_errors(page)
    page.goto(f"{viewer}/index.html#/external/{url}/catalog.json")
    expect(page.get_by_role("heading", name="Mirror", exact=True, level=1)).to_be_visible()
    page.get_by_role("link", name="The things").click()
    expect(page.get_by_role("heading", name="The things", level=1)).to_be_visible()
    for name in ITEMS:
        expect(page.get_by_role("link", name=f"Scene {name}", exact=True)).to_be_visible()

    page.get_by_role("link", name=f"Scene {ITEM}", exact=True).click()
    expect(page.get_by_role("heading", name=f"Scene {ITEM}", exact=True, level=1)).to_be_visible()
    for name, digest in mirrors.digests.items():
        link = page.locator(f"a[href^='{url}/'][href$='/{quote(name)}']").first
        assert page.evaluate(_DIGEST, link.get_attribute("href")) == [200, digest]
    picture = page.locator("img[src$='/small%20view.png']").first
    assert picture.evaluate(_WIDTH) > 0
    expect(page.get_by_role("alert")).to_have_count(0)
    assert errors == []
    assert blocked_hosts == set()


def test_stac_browser_requires_permission_for_other_hosts(
    mirrors: Mirrors, viewer: str, page: Page
) -> None:
    with rclone_http(mirrors.folder) as url:
        page.goto(f"{viewer}/index.html#/external/{url}/catalog.json")
        expect(page.get_by_role("alert")).to_be_visible()


def _recorded_errors(page: Page) -> list[str]:
    """Return a list that receives the errors in the console of a page."""
    errors: list[str] = []

    def record(message: ConsoleMessage) -> None:
        if message.type == "error":
            errors.append(message.text)

    page.on("console", record)
    page.on("pageerror", lambda error: errors.append(str(error)))
    return errors
