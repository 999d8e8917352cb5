"""Tracebacks of errors that public functions raise: the caller's line and the message."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import stac_asset
from stac_asset import Config, DownloadError, blocking
from stac_asset.audit import audit_mirror
from stac_asset.errors import NotFoundError, StacAssetError
from stac_asset.testing import Origin
from tests.support.remote_items import remote_item

Call = Callable[[Origin, Path], Any]


async def read_chunks(origin: Origin) -> None:
    async for _ in stac_asset.open_href(origin.href("/missing.tif")):
        pass


CALLS: dict[str, Call] = {
    "failed assets": lambda origin, path: stac_asset.download_item(
        remote_item(origin, "missing"), path
    ),
    "first failure": lambda origin, path: stac_asset.download_item(
        remote_item(origin, "missing", "b"), path, config=Config(fail_fast=True)
    ),
    "unreadable document": lambda origin, path: stac_asset.download_item(
        origin.href("/missing.json"), path
    ),
    "configuration": lambda origin, path: stac_asset.plan_item(
        remote_item(origin, "a"), path, config=Config(warn=True, fail_fast=True)
    ),
    "missing file": lambda origin, path: stac_asset.read_href(path / "missing.txt"),
    "missing href": lambda origin, path: stac_asset.download_file(
        origin.href("/missing.tif"), path / "a"
    ),
    "chunks": lambda origin, path: read_chunks(origin),
    "audit": lambda origin, path: audit_mirror(origin.href("/missing.json"), path),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_traceback_has_only_lines_of_the_caller(
    call: Call, origin: Origin, tmp_path: Path
) -> None:
    origin.remove("/missing.tif")
    origin.remove("/missing.json")
    with pytest.raises(StacAssetError) as raised:
        await call(origin, tmp_path)
    frames = traceback.extract_tb(raised.value.__traceback__)
    assert {frame.filename for frame in frames} == {__file__}
    text = "".join(traceback.format_exception(raised.value))
    assert text.count("Traceback (most recent call last)") == 1
    assert "cause" not in text.partition(str(raised.value))[0]


async def test_cause_stays_available_as_context(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as raised:
        await stac_asset.read_href(tmp_path / "missing.txt")
    assert isinstance(raised.value.__context__, FileNotFoundError)


def test_blocking_function_has_a_short_traceback(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as raised:
        blocking.read_href(tmp_path / "missing.txt")
    [frame] = traceback.extract_tb(raised.value.__traceback__)
    assert frame.filename == __file__


async def test_full_traceback_is_logged_for_debugging(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "stac_asset.api.tracebacks")
    with pytest.raises(NotFoundError):
        await stac_asset.read_href(tmp_path / "missing.txt")
    assert "filesystem.py" in caplog.text


async def test_errors_of_other_code_keep_their_tracebacks(origin: Origin, tmp_path: Path) -> None:

    class Queue:
        async def put(self, message: object) -> None:
            raise RuntimeError("broken queue")

    messages: Any = Queue()
    with pytest.raises(RuntimeError, match="broken queue") as raised:
        await stac_asset.download_item(remote_item(origin, "a"), tmp_path, messages=messages)
    assert len(traceback.extract_tb(raised.value.__traceback__)) > 3


async def test_first_lines_of_many_failures_have_the_number_and_the_first_cause(
    origin: Origin, tmp_path: Path
) -> None:
    keys = [f"k{number}" for number in range(12)]
    for key in keys:
        origin.remove(f"/{key}.tif")
    with pytest.raises(DownloadError) as raised:
        await stac_asset.download_item(remote_item(origin, *keys), tmp_path)
    text = "".join(traceback.format_exception_only(raised.value))
    first, second, *_, last = text.splitlines()
    assert first == "stac_asset.errors.summary.DownloadError: 12 of 12 assets failed"
    assert second.startswith("- asset 'k")
    assert "404" in second
    assert last == "- and 2 more"
