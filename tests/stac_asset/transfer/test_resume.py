"""Resuming of part files, within a run and across runs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from stac_asset import Config, DownloadError, download_file, download_item
from stac_asset.destinations.part_names import part_paths
from stac_asset.errors import TruncatedError
from stac_asset.stac.parse import stac_of
from stac_asset.testing import (
    Changed,
    Fault,
    IgnoreRange,
    NoValidator,
    Origin,
    Reset,
    Stall,
    Status,
    Truncate,
    WrongRange,
)
from tests.support.checksums import sha256_multihash
from tests.support.files import hidden_files
from tests.support.items import item_document

MIB = 1024 * 1024
SIZE = 8 * MIB


def with_single_attempt(config: Config) -> Config:
    """Return a copy of the configuration that allows a single attempt."""
    copy = config.copy()
    copy.http_max_attempts = 1
    return copy


@pytest.mark.parametrize("fault", [Truncate(7 * MIB), Reset(7 * MIB)])
async def test_broken_download_is_resumed_within_a_run(
    origin: Origin, tmp_path: Path, config: Config, fault: Fault
) -> None:
    href = origin.put("/a.tif", size=SIZE)
    origin.fault("/a.tif", fault)
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert origin.bytes_sent <= 1.25 * SIZE
    first, second = origin.gets("/a.tif")
    assert first.range is None
    assert second.range is not None
    assert second.range != "bytes=0-"
    assert "if-range" in second.headers
    assert hidden_files(tmp_path) == []


async def test_broken_download_is_resumed_by_the_next_run(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    href = origin.put("/a.tif", size=SIZE)
    origin.fault("/a.tif", Truncate(6 * MIB))
    with pytest.raises(TruncatedError):
        await download_file(href, tmp_path / "a.tif", with_single_attempt(config))
    assert not (tmp_path / "a.tif").exists()
    assert len(hidden_files(tmp_path)) == 2
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert [request.status for request in origin.gets("/a.tif")] == [200, 206]
    assert origin.bytes_sent == SIZE
    assert hidden_files(tmp_path) == []


async def test_stalled_download_is_resumed(origin: Origin, tmp_path: Path, config: Config) -> None:
    href = origin.put("/a.tif", size=SIZE)
    origin.fault("/a.tif", Stall(after=5 * MIB))
    config.http_read_timeout = 3
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert origin.bytes_sent == SIZE


async def test_cancelled_download_is_resumed(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    href = origin.put("/a.tif", size=SIZE)
    origin.fault("/a.tif", Stall(after=5 * MIB))
    running = asyncio.create_task(download_file(href, tmp_path / "a.tif", config))
    part, note = part_paths(tmp_path / "a.tif")
    while not part.exists() or part.stat().st_size < 5 * MIB:
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert note.exists()
    assert not (tmp_path / "a.tif").exists()
    await download_file(href, tmp_path / "a.tif", config)
    assert origin.gets("/a.tif")[-1].range == f"bytes={5 * MIB}-"
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")


@pytest.mark.parametrize(
    "fault",
    [IgnoreRange(), NoValidator(), WrongRange(shift=7)],
    ids=lambda fault: type(fault).__name__,
)
async def test_download_restarts_if_source_cannot_resume(
    origin: Origin, tmp_path: Path, config: Config, fault: Fault
) -> None:
    href = origin.put("/a.tif", size=SIZE)
    origin.fault("/a.tif", fault, times=0)
    origin.fault("/a.tif", Truncate(6 * MIB))
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert hidden_files(tmp_path) == []


async def test_download_restarts_if_source_changed(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    href = origin.put("/a.tif", size=SIZE)
    before = origin.content("/a.tif")
    origin.fault("/a.tif", Truncate(6 * MIB))
    origin.fault("/a.tif", Changed())
    await download_file(href, tmp_path / "a.tif", config)
    assert origin.content("/a.tif") != before
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert [request.status for request in origin.gets("/a.tif")] == [200, 200]


async def test_part_file_of_another_source_is_not_resumed(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    for path in ("/one/a.tif", "/two/a.tif"):
        origin.put(path, size=SIZE)
    origin.fault("/one/a.tif", Truncate(6 * MIB))
    with pytest.raises(TruncatedError):
        await download_file(
            origin.href("/one/a.tif"), tmp_path / "a.tif", with_single_attempt(config)
        )
    await download_file(origin.href("/two/a.tif"), tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/two/a.tif")
    assert [request.range for request in origin.gets("/two/a.tif")] == [None]


async def test_part_file_is_resumed_with_another_signature(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    href = origin.put("/a.tif", size=SIZE)
    origin.fault("/a.tif", Truncate(6 * MIB))
    with pytest.raises(TruncatedError):
        await download_file(f"{href}?sig=one", tmp_path / "a.tif", with_single_attempt(config))
    await download_file(f"{href}?sig=two", tmp_path / "a.tif", config)
    assert origin.bytes_sent == SIZE
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")


async def test_download_restarts_if_checksum_of_part_file_is_wrong(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    origin.put("/a.tif", size=SIZE)
    document = item_document(origin, "a")
    checksum = sha256_multihash(origin.content("/a.tif"))
    document["assets"]["a"] |= {"file:size": SIZE, "file:checksum": checksum}
    item = stac_of(document, origin.href("/item.json"), "item")
    origin.fault("/a.tif", Truncate(6 * MIB))
    with pytest.raises(DownloadError):
        await download_item(item, tmp_path, config=with_single_attempt(config))  # type: ignore[arg-type]
    part, _ = part_paths(tmp_path / "a.tif")
    with part.open("r+b") as file:
        file.write(bytes(1024))
    await download_item(item, tmp_path, config=config)  # type: ignore[arg-type]
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert [request.range for request in origin.gets("/a.tif")][1:] == [f"bytes={6 * MIB}-", None]


async def test_download_restarts_if_part_file_is_longer_than_source(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    href = origin.put("/a.tif", size=SIZE)
    origin.fault("/a.tif", Truncate(6 * MIB))
    with pytest.raises(TruncatedError):
        await download_file(href, tmp_path / "a.tif", with_single_attempt(config))
    part, _ = part_paths(tmp_path / "a.tif")
    with part.open("ab") as file:
        file.write(bytes(4 * MIB))
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")


async def test_received_bytes_are_kept_after_transient_status(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    href = origin.put("/a.tif", size=SIZE)
    origin.fault("/a.tif", Truncate(6 * MIB))
    origin.fault("/a.tif", Status(503))
    await download_file(href, tmp_path / "a.tif", config)
    assert [request.status for request in origin.gets("/a.tif")] == [200, 503, 206]
    assert origin.bytes_sent == SIZE
