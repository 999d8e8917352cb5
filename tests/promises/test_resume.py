"""What was received is not fetched again, within a run and across runs."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

from stac_asset import Config, DownloadError, download_file, download_item
from stac_asset.destinations.local.part_names import part_paths
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
from tests.make_item import item_document

MIB = 1024 * 1024
SIZE = 8 * MIB


def once(config: Config) -> Config:
    """Returns the configuration with a single attempt a run."""
    single = config.copy()
    single.http_max_attempts = 1
    return single


def leftovers(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir() if file.name.startswith("."))


@pytest.mark.parametrize("fault", [Truncate(7 * MIB), Reset(7 * MIB)])
async def test_broken_transfer_continues_within_a_run(
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
    assert leftovers(tmp_path) == []


async def test_broken_transfer_continues_in_the_next_run(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    href = origin.put("/a.tif", size=SIZE)
    origin.fault("/a.tif", Truncate(6 * MIB))
    with pytest.raises(TruncatedError):
        await download_file(href, tmp_path / "a.tif", once(config))
    assert not (tmp_path / "a.tif").exists()
    assert len(leftovers(tmp_path)) == 2
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert [request.status for request in origin.gets("/a.tif")] == [200, 206]
    assert origin.bytes_sent == SIZE
    assert leftovers(tmp_path) == []


async def test_stalled_transfer_continues(origin: Origin, tmp_path: Path, config: Config) -> None:
    href = origin.put("/a.tif", size=SIZE)
    origin.fault("/a.tif", Stall(after=5 * MIB))
    config.http_read_timeout = 3
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert origin.bytes_sent == SIZE


async def test_cancelled_transfer_continues(origin: Origin, tmp_path: Path, config: Config) -> None:
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
    "always", [IgnoreRange(), NoValidator(), WrongRange(shift=7)], ids=lambda it: type(it).__name__
)
async def test_source_that_cannot_continue_starts_over(
    origin: Origin, tmp_path: Path, config: Config, always: Fault
) -> None:
    href = origin.put("/a.tif", size=SIZE)
    origin.fault("/a.tif", always, times=0)
    origin.fault("/a.tif", Truncate(6 * MIB))
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert leftovers(tmp_path) == []


async def test_source_that_changed_starts_over(
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


async def test_part_file_of_another_source_is_not_continued(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    for name in ("/one/a.tif", "/two/a.tif"):
        origin.put(name, size=SIZE)
    origin.fault("/one/a.tif", Truncate(6 * MIB))
    with pytest.raises(TruncatedError):
        await download_file(origin.href("/one/a.tif"), tmp_path / "a.tif", once(config))
    await download_file(origin.href("/two/a.tif"), tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/two/a.tif")
    assert [request.range for request in origin.gets("/two/a.tif")] == [None]


async def test_signature_in_the_query_may_differ_between_runs(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    href = origin.put("/a.tif", size=SIZE)
    origin.fault("/a.tif", Truncate(6 * MIB))
    with pytest.raises(TruncatedError):
        await download_file(f"{href}?sig=one", tmp_path / "a.tif", once(config))
    await download_file(f"{href}?sig=two", tmp_path / "a.tif", config)
    assert origin.bytes_sent == SIZE
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")


async def test_corrupt_part_file_is_found_by_the_checksum_and_fetched_anew(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    origin.put("/a.tif", size=SIZE)
    document = item_document(origin, "a")
    digest = hashlib.sha256(origin.content("/a.tif")).hexdigest()
    document["assets"]["a"] |= {"file:size": SIZE, "file:checksum": f"1220{digest}"}
    item = stac_of(document, origin.href("/item.json"), "item")
    origin.fault("/a.tif", Truncate(6 * MIB))
    with pytest.raises(DownloadError):
        await download_item(item, tmp_path, config=once(config))  # type: ignore[arg-type]
    part, _ = part_paths(tmp_path / "a.tif")
    with part.open("r+b") as file:
        file.write(bytes(1024))
    await download_item(item, tmp_path, config=config)  # type: ignore[arg-type]
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert [request.range for request in origin.gets("/a.tif")][1:] == [f"bytes={6 * MIB}-", None]


async def test_part_file_longer_than_the_source_starts_over(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    href = origin.put("/a.tif", size=SIZE)
    origin.fault("/a.tif", Truncate(6 * MIB))
    with pytest.raises(TruncatedError):
        await download_file(href, tmp_path / "a.tif", once(config))
    part, _ = part_paths(tmp_path / "a.tif")
    with part.open("ab") as file:
        file.write(bytes(4 * MIB))
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")


async def test_refused_continuation_keeps_what_is_there(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    href = origin.put("/a.tif", size=SIZE)
    origin.fault("/a.tif", Truncate(6 * MIB))
    origin.fault("/a.tif", Status(503))
    await download_file(href, tmp_path / "a.tif", config)
    assert [request.status for request in origin.gets("/a.tif")] == [200, 503, 206]
    assert origin.bytes_sent == SIZE
