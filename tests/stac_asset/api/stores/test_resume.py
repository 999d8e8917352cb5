"""Unfinished multipart uploads, which a run in another process completes."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from stac_asset import Config, download_file, download_item
from stac_asset.destinations.s3.parts import DEFAULT_PART
from stac_asset.errors import DestinationError
from stac_asset.testing import SLOW_DOWN, Origin, S3Proxy, Stall, Status
from stac_asset.testing.client_under_test import data_of
from stac_asset.testing.s3_proxy import error_body
from tests.support.cli import start_command
from tests.support.items import item_document
from tests.support.processes import wait_until
from tests.support.s3_destinations import Bucket


async def test_killed_process_is_resumed_with_missing_parts_only(
    origin: Origin,
    store: Config,
    bucket: Bucket,
    proxy: S3Proxy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = data_of(2 * DEFAULT_PART + 1000)
    origin.put("/a.tif", data)
    origin.fault("/a.tif", Stall(2 * DEFAULT_PART + 10))
    path = tmp_path / "item.json"
    path.write_text(json.dumps(item_document(origin, "a")))
    for name in ("endpoint_url", "access_key_id", "secret_access_key"):
        field = f"destination_{name}"
        monkeypatch.setenv(f"STAC_ASSET_{field.upper()}", getattr(store, field))
    url = f"s3://{bucket.name}/{bucket.prefix}"
    killed = start_command("download", path, url)
    await wait_until(lambda: killed.poll() is not None or _stored(proxy) == [1, 2])
    killed.kill()
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert await bucket.has_leftovers()
    assert await bucket.content("a.tif") is None

    proxy.clear()
    origin.forget()
    origin.heal()
    await download_item(path, url, config=store)
    assert await bucket.content("a.tif") == data
    assert _stored(proxy) == [3]
    [get] = origin.gets("/a.tif")
    assert get.range == f"bytes={2 * DEFAULT_PART}-"
    assert not await bucket.has_leftovers()


@pytest.mark.parametrize("fault", [SLOW_DOWN, Status(400, body=error_body("ExpiredToken"))])
async def test_upload_stays_after_a_failure_of_the_service(
    origin: Origin, store: Config, bucket: Bucket, proxy: S3Proxy, fault: Status
) -> None:
    """`clean` does not abort an upload that the next run can continue."""
    data = data_of(2 * DEFAULT_PART + 1000)
    href, url = origin.put("/a.tif", data), f"s3://{bucket.name}/{bucket.prefix}/a.tif"
    store.s3_max_attempts = 1
    assert store.clean
    proxy.fault("CompleteMultipartUpload", fault)
    with pytest.raises(DestinationError):
        await download_file(href, url, store)
    assert len(await bucket.uploads()) == 1
    proxy.clear()
    origin.forget()
    await download_file(href, url, store)
    assert await bucket.content("a.tif") == data
    assert _stored(proxy) == []
    assert [one.range for one in origin.gets()] == [f"bytes={2 * DEFAULT_PART}-"]
    assert not await bucket.has_leftovers()


def _stored(proxy: S3Proxy) -> list[int | None]:
    return sorted((one.part for one in proxy.received("UploadPart") if one.status == 200), key=str)
