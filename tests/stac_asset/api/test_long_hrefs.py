"""Long hrefs and data URLs are cut in errors, warnings, logs, plans and reports."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pystac
import pytest

from stac_asset import Config, DownloadError, DownloadWarning, download_item, plan_item
from stac_asset.api.run import Run
from stac_asset.testing import LoginPage, Origin, Status
from stac_asset.types import outcome_row
from tests.support.remote_items import remote_item

LONG = "x" * 3000
MAX_PART = 255
"""Longest part of a shown href. File names on the disk can have this length too."""

LONG_HREFS = {
    "missing": f"/missing/{LONG}.tif",
    "refused": f"/refused/{LONG}.tif?X-Amz-Signature={LONG}",
    "page": f"/page/{LONG}.tif",
    "busy": f"/busy/{LONG}.tif",
}
OTHER_HREFS = {
    "data": f"data:image/tiff;base64,{LONG}!",
    "s3": f"s3:///{LONG}",
    "scheme": f"unknown://host/{LONG}",
    "local": f"file:///{LONG}/a.tif",
    "malformed": f"http://[{LONG}",
}


@pytest.fixture
def item(origin: Origin) -> pystac.Item:
    """An item whose assets all fail, each with a long href."""
    origin.fault("/missing/*", Status(404), times=0)
    origin.fault("/refused/*", Status(403), times=0)
    origin.fault("/page/*", LoginPage(), times=0)
    origin.fault("/busy/*", Status(503), times=0)
    found = remote_item(origin)
    for key, path in LONG_HREFS.items():
        found.add_asset(key, pystac.Asset(origin.href(path), media_type="image/tiff"))
    for key, href in OTHER_HREFS.items():
        found.add_asset(key, pystac.Asset(href))
    return found


def check(text: str) -> None:
    """Check that no part of a long href or data URL is longer than a shown href."""
    longest = max((len(found) for found in re.findall("x+", text)), default=0)
    assert longest <= MAX_PART, text[:2000]


async def test_errors_logs_and_reports_have_short_hrefs(
    item: pystac.Item, tmp_path: Path, config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    config.http_max_attempts = 2
    with pytest.raises(DownloadError) as raised:
        await download_item(item, tmp_path, config=config)
    assert raised.value.count == len(LONG_HREFS) + len(OTHER_HREFS)
    for error in (raised.value, *raised.value.exceptions):
        check(str(error))
        check(repr(error))
    check(caplog.text)
    run = Run(tmp_path, config)
    with pytest.raises(DownloadError):
        await run.download(item, run.planner.plan_item(item, "item.json"), False)
    for outcome in run.outcomes:
        check(str(outcome_row(outcome)))


async def test_warnings_and_plans_have_short_hrefs(
    item: pystac.Item, tmp_path: Path, config: Config
) -> None:
    config.warn = True
    config.http_max_attempts = 1
    plan = await plan_item(item, tmp_path, config=config)
    check(str(plan.to_dict()))
    check(repr(plan) + plan._repr_html_())
    with pytest.warns(DownloadWarning) as warned:
        await download_item(item, tmp_path, config=config)
    for warning in warned:
        check(str(warning.message))
