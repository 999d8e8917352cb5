"""Who waits for a file that somebody else is writing keeps nobody, and can be ended."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stac_asset import Config, download_item
from stac_asset.destinations import LocalDestination
from stac_asset.destinations.local.part_names import part_paths
from stac_asset.stac.parse import stac_of
from stac_asset.testing import Origin
from tests.make_item import item_document


@contextmanager
def held(path: Path) -> Iterator[Path]:
    """Holds the lock of a file, as another run would that is writing it."""
    part, _ = part_paths(path)
    fd = os.open(part, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield part
    finally:
        os.close(fd)


async def until_logged(caplog: pytest.LogCaptureFixture, path: Path) -> None:
    while f"that is writing {path}" not in caplog.text:
        await asyncio.sleep(0.01)


async def test_busy_file_keeps_no_place_at_its_host(
    origin: Origin, tmp_path: Path, config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    item = stac_of(item_document(origin, "a", "b", "c"), origin.href("/item.json"), "item")
    config.max_connections_per_host = 1
    async with asyncio.timeout(120):
        with held(tmp_path / "a.tif"):
            running = asyncio.create_task(
                download_item(item, tmp_path, config=config)  # type: ignore[arg-type]
            )
            while not ((tmp_path / "b.tif").exists() and (tmp_path / "c.tif").exists()):
                assert not running.done()
                await asyncio.sleep(0.01)
            await until_logged(caplog, tmp_path / "a.tif")
            await asyncio.sleep(0.5)
        await running
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    warned = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warned) == 1
    assert origin.in_flight_max == 1


async def test_cancelled_run_writes_no_document_afterwards(
    origin: Origin, tmp_path: Path, config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    item = stac_of(item_document(origin, "a"), origin.href("/item.json"), "item")
    document = tmp_path / "the-item.json"
    async with asyncio.timeout(120):
        with held(document):
            running = asyncio.create_task(
                download_item(item, tmp_path, config=config)  # type: ignore[arg-type]
            )
            await until_logged(caplog, document)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
        # Had a thread been waiting for the lock, it would have it now.
        await asyncio.get_running_loop().shutdown_default_executor()
    assert not document.exists()
    assert (tmp_path / "a.tif").exists()


async def test_document_is_written_when_its_lock_is_free(tmp_path: Path) -> None:
    document = tmp_path / "item.json"
    async with asyncio.timeout(120):
        with held(document) as part:
            running = asyncio.create_task(LocalDestination(tmp_path).write(document.name, b"new"))
            await asyncio.sleep(0)
            assert not running.done()
            part.unlink()  # As whoever has written it does.
        await running
    assert document.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [document]
