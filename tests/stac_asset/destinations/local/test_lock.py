"""Locks of part files between concurrent uploads and runs."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from stac_asset import Config, download_file, download_item
from stac_asset.destinations import BusyError, Declared, LocalDestination
from stac_asset.testing import Origin
from tests.support.files import entry_names
from tests.support.items import item_from_origin
from tests.support.part_file_locks import hold_part_file_lock

MIB = 1024 * 1024


async def wait_until_lock_wait_is_logged(caplog: pytest.LogCaptureFixture, path: Path) -> None:
    """Wait until a log message reports that another run writes a file."""
    while f"that is writing {path}" not in caplog.text:
        await asyncio.sleep(0.01)


async def test_second_upload_of_a_file_is_refused(tmp_path: Path) -> None:
    destination = LocalDestination(tmp_path)
    async with destination.open_upload("a.tif", "source", Declared()):
        with pytest.raises(BusyError):
            async with destination.open_upload("a.tif", "source", Declared()):
                raise AssertionError("two uploads of one file are open")
    assert entry_names(tmp_path) == []


async def test_concurrent_downloads_of_a_file_do_not_corrupt_the_file(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    href = origin.put("/a.tif", size=4 * MIB)
    await asyncio.gather(
        *(download_file(href, tmp_path / "a.tif", config) for _ in range(5)),
    )
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert entry_names(tmp_path) == ["a.tif"]


async def test_concurrent_runs_wait_for_first_run_and_skip(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    item = item_from_origin(origin, "a")
    await asyncio.gather(*(download_item(item, tmp_path, config=config) for _ in range(4)))
    assert len(origin.gets("/a.tif")) == 1


async def test_locked_file_uses_no_connection_slot(
    origin: Origin, tmp_path: Path, config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    item = item_from_origin(origin, "a", "b", "c")
    config.max_connections_per_host = 1
    async with asyncio.timeout(120):
        with hold_part_file_lock(tmp_path / "a.tif"):
            running = asyncio.create_task(download_item(item, tmp_path, config=config))
            while not ((tmp_path / "b.tif").exists() and (tmp_path / "c.tif").exists()):
                assert not running.done()
                await asyncio.sleep(0.01)
            await wait_until_lock_wait_is_logged(caplog, tmp_path / "a.tif")
            await asyncio.sleep(0.5)
        await running
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert origin.in_flight_max == 1


async def test_cancelled_run_writes_no_document_after_lock_is_released(
    origin: Origin, tmp_path: Path, config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    item = item_from_origin(origin, "a")
    document = tmp_path / "the-item.json"
    async with asyncio.timeout(120):
        with hold_part_file_lock(document):
            running = asyncio.create_task(download_item(item, tmp_path, config=config))
            await wait_until_lock_wait_is_logged(caplog, document)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
        # A thread that still waited for the lock would take the lock and finish here.
        await asyncio.get_running_loop().shutdown_default_executor()
    assert not document.exists()
    assert (tmp_path / "a.tif").exists()


async def test_document_is_written_after_lock_is_released(tmp_path: Path) -> None:
    document = tmp_path / "item.json"
    async with asyncio.timeout(120):
        with hold_part_file_lock(document) as part:
            running = asyncio.create_task(LocalDestination(tmp_path).write(document.name, b"new"))
            await asyncio.sleep(0)
            assert not running.done()
            part.unlink()  # A writer removes the part file before releasing the lock.
        await running
    assert document.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [document]
