"""Downloads of large files over several connections, in byte ranges."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.catalog import Asset, Catalog
from bench.crash import running
from bench.crash_places import Directory
from bench.victim import RUN_HEADER
from stac_asset import Config, ConfigError, DownloadError, download_file, download_item
from stac_asset.destinations.part_names import part_paths
from stac_asset.errors import ChecksumError, NotFoundError
from stac_asset.stac.parse import stac_of
from stac_asset.testing import (
    Changed,
    Fault,
    IgnoreRange,
    NoValidator,
    Origin,
    OriginProcess,
    Reset,
    Stall,
    Status,
    Truncate,
    WrongRange,
)
from stac_asset.transfer.parallel import connections_per_file
from tests.support.checksums import sha256_multihash
from tests.support.files import hidden_files
from tests.support.items import item_document

MIB = 1024 * 1024
SIZE = 40 * MIB
CUT = 8 * MIB
"""Maximum number of bytes in socket buffers after a response was cut short."""

SLOW = Stall(after=MIB // 4, seconds=0.1)
"""A stall of the first response. A slow response makes the engine open further connections."""


def requested_ranges(origin: Origin) -> list[tuple[int, int]]:
    """Return the start and end of all requested byte ranges, sorted by position."""
    ranges = [get.range.removeprefix("bytes=").split("-") for get in origin.gets() if get.range]
    return sorted((int(first), int(last) + 1) for first, last in ranges)


@pytest.fixture
def origin() -> Iterator[Origin]:
    """An origin that limits the speed of each connection, so that further connections help."""
    with Origin(bytes_per_second=24 * MIB) as running:
        yield running


@pytest.fixture
def config() -> Config:
    return Config(retry_wait=0.01, retry_wait_max=0.05, max_connections_per_file=4)


@pytest.fixture
def href(origin: Origin) -> str:
    origin.fault("/a.tif", SLOW)
    return origin.put("/a.tif", size=SIZE)


async def test_file_arrives_over_several_connections(
    origin: Origin, href: str, tmp_path: Path, config: Config
) -> None:
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    whole, *parts = origin.gets()
    assert whole.range is None
    assert whole.status == 200
    assert {part.status for part in parts} == {206}
    assert all("if-range" in part.headers for part in parts)
    assert len({part.peer for part in parts}) >= 3
    # The ranges have no gaps and no overlaps.
    ranges = requested_ranges(origin)
    assert ranges[-1][1] == SIZE
    assert [end for _, end in ranges[:-1]] == [start for start, _ in ranges[1:]]
    assert sum(part.body_sent for part in parts) == SIZE - ranges[0][0]
    assert hidden_files(tmp_path) == []


async def test_connections_are_limited_per_file_and_host(
    origin: Origin, href: str, tmp_path: Path, config: Config
) -> None:
    for name, limits in {"a": (4, 32), "b": (16, 3)}.items():
        config.max_connections_per_file, config.max_connections_per_host = limits
        await download_file(href, tmp_path / name, config)
        # A response that was cut short may still be in flight.
        assert 2 <= origin.in_flight_max <= min(limits) + 1
        origin.forget()
        origin.fault("/a.tif", SLOW)


async def test_large_files_share_connections_of_host(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    for name in "abc":
        origin.put(f"/{name}.tif", size=SIZE)
        origin.fault(f"/{name}.tif", SLOW)
    item = stac_of(item_document(origin, "a", "b", "c"), origin.href("/item.json"), "item")
    config.max_connections_per_host = 4
    await download_item(item, tmp_path, config=config)  # type: ignore[arg-type]
    for name in "abc":
        assert (tmp_path / f"{name}.tif").read_bytes() == origin.content(f"/{name}.tif")
    assert origin.in_flight_max <= 4 + 3


@pytest.mark.parametrize(
    "fault", [NoValidator(), IgnoreRange()], ids=["no-validator", "ignored-range"]
)
async def test_source_without_range_support_sends_whole_file(
    origin: Origin, href: str, tmp_path: Path, config: Config, fault: Fault
) -> None:
    origin.fault("/a.tif", fault, times=0)
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert hidden_files(tmp_path) == []


async def test_small_files_and_single_connections_need_one_request(
    origin: Origin, href: str, tmp_path: Path, config: Config
) -> None:
    small = origin.put("/small.tif", size=8 * MIB)
    await download_file(small, tmp_path / "small.tif", config)
    config.max_connections_per_file = 1
    await download_file(href, tmp_path / "a.tif", config)
    assert [(get.path, get.range) for get in origin.gets()] == [
        ("/small.tif", None),
        ("/a.tif", None),
    ]


@pytest.mark.parametrize(
    ("fault", "status"), [(Reset(MIB), 206), (Truncate(MIB), 206), (Status(503), 503)]
)
async def test_range_of_failed_connection_is_downloaded_by_others(
    origin: Origin, href: str, tmp_path: Path, config: Config, fault: Fault, status: int
) -> None:
    origin.fault("/a.tif", fault)  # The first byte range.
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    _, *parts = origin.gets()
    assert parts[0].status == status
    assert [get.range for get in origin.gets()].count(None) == 1
    # The received bytes of the failed range are not requested again.
    assert sum(part.body_sent for part in parts) <= SIZE
    assert hidden_files(tmp_path) == []


async def test_not_found_stops_all_connections(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    href = origin.put("/a.tif", size=SIZE)
    origin.fault("/a.tif", SLOW, Truncate(2 * MIB))
    origin.fault("/a.tif", Status(404), times=100)
    with pytest.raises(NotFoundError):
        await download_file(href, tmp_path / "a.tif", config)
    assert list(tmp_path.iterdir()) == []
    # First four connections, of which the first may wait for each of the others, then a single one.
    assert len(origin.gets()) <= 1 + 3 + 7 + 1


@pytest.mark.parametrize("fault", [Changed(), WrongRange(shift=7)], ids=["changed", "wrong-range"])
async def test_download_restarts_if_source_changes_between_ranges(
    origin: Origin, href: str, tmp_path: Path, config: Config, fault: Fault
) -> None:
    origin.fault("/a.tif", fault)
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert [get.range for get in origin.gets()].count(None) == 2
    assert hidden_files(tmp_path) == []


def missing_bytes(note: Path) -> int:
    """Return the number of missing bytes in a resume note. Without a valid note, return `SIZE`."""
    try:
        return sum(end - start for start, end in json.loads(note.read_bytes())["missing"])
    except (FileNotFoundError, KeyError, ValueError):
        return SIZE


async def cancel_download(
    origin: Origin, href: str, target: Path, config: Config
) -> list[list[int]]:
    """Cancel a download after about half of the file, and return the missing ranges of the note."""
    origin.fault("/a.tif", Stall(after=MIB), times=100)
    running = asyncio.create_task(download_file(href, target, config))
    part, note = part_paths(target)

    # Wait until each connection stalls after the first bytes of a range. The first connection
    # requests another range after its own. A request that is in flight during the cancellation
    # would arrive during the next run.
    def range_requests() -> int:
        return sum(get.range is not None for get in origin.gets())

    while (
        missing_bytes(note) > SIZE - 3 * MIB or range_requests() < config.max_connections_per_file
    ):
        assert not running.done()
        await asyncio.sleep(0.02)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not target.exists()
    assert part.exists()
    origin.heal()
    origin.forget()
    ranges: list[list[int]] = json.loads(note.read_bytes())["missing"]
    assert len(ranges) > 2
    joined = ranges[:1]
    for start, end in ranges[1:]:
        if start == joined[-1][1]:
            joined[-1][1] = end
        else:
            joined.append([start, end])
    return joined


async def test_next_run_requests_only_missing_ranges(
    origin: Origin, href: str, tmp_path: Path, config: Config
) -> None:
    missing = await cancel_download(origin, href, tmp_path / "a.tif", config)
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert origin.bytes_sent == sum(end - start for start, end in missing) < SIZE
    for first, last in requested_ranges(origin):
        assert any(start <= first < last <= end for start, end in missing)
    assert hidden_files(tmp_path) == []


async def test_next_run_resumes_over_a_single_connection(
    origin: Origin, href: str, tmp_path: Path, config: Config
) -> None:
    missing = await cancel_download(origin, href, tmp_path / "a.tif", config)
    config.max_connections_per_file = 1
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert origin.bytes_sent == sum(end - start for start, end in missing)
    assert len({get.peer for get in origin.gets()}) == 1


async def test_next_run_restarts_if_source_changed(
    origin: Origin, href: str, tmp_path: Path, config: Config
) -> None:
    await cancel_download(origin, href, tmp_path / "a.tif", config)
    origin.fault("/a.tif", Changed())
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert hidden_files(tmp_path) == []


@pytest.mark.parametrize("missing", ['{"missing": 3}', "[[1, 2]", "[[5, 3]]", "[[0, 99999999999]]"])
async def test_invalid_resume_note_is_ignored(
    origin: Origin, href: str, tmp_path: Path, config: Config, missing: str
) -> None:
    await cancel_download(origin, href, tmp_path / "a.tif", config)
    _, note = part_paths(tmp_path / "a.tif")
    content = json.loads(note.read_bytes())
    note.write_text(json.dumps(content).replace(json.dumps(content["missing"]), missing))
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert origin.gets()[0].range is None


async def test_download_restarts_if_part_file_is_shorter_than_resume_note(
    origin: Origin, href: str, tmp_path: Path, config: Config
) -> None:
    await cancel_download(origin, href, tmp_path / "a.tif", config)
    part, _ = part_paths(tmp_path / "a.tif")
    with part.open("r+b") as file:
        file.truncate(MIB)
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert origin.gets()[0].range is None


async def test_checksum_of_file_in_ranges_is_verified_and_written(
    origin: Origin, href: str, tmp_path: Path, config: Config
) -> None:
    document = item_document(origin, "a")
    checksum = sha256_multihash(origin.content("/a.tif"))
    item = stac_of(document, origin.href("/item.json"), "item")
    config.write_checksums = True
    new = await download_item(item, tmp_path / "written", config=config)  # type: ignore[arg-type]
    assert new.assets["a"].extra_fields["file:checksum"] == checksum
    assert len(origin.gets()) > 4

    document["assets"]["a"] |= {"file:size": SIZE, "file:checksum": checksum}
    item = stac_of(document, origin.href("/item.json"), "item")
    await download_item(item, tmp_path / "good", config=config)  # type: ignore[arg-type]

    document["assets"]["a"]["file:checksum"] = checksum[:-1] + ("0" if checksum[-1] != "0" else "1")
    item = stac_of(document, origin.href("/item.json"), "item")
    with pytest.raises(DownloadError) as raised:
        await download_item(item, tmp_path / "bad", config=config)  # type: ignore[arg-type]
    assert isinstance(raised.value.exceptions[0], ChecksumError)
    assert not (tmp_path / "bad" / "a.tif").exists()


async def test_damaged_part_file_is_downloaded_again(
    origin: Origin, href: str, tmp_path: Path, config: Config
) -> None:
    document = item_document(origin, "a")
    checksum = sha256_multihash(origin.content("/a.tif"))
    document["assets"]["a"] |= {"file:size": SIZE, "file:checksum": checksum}
    item = stac_of(document, origin.href("/item.json"), "item")
    await cancel_download(origin, href, tmp_path / "a.tif", config)
    part, _ = part_paths(tmp_path / "a.tif")
    with part.open("r+b") as file:
        file.write(bytes(1024))
    await download_item(item, tmp_path, config=config)  # type: ignore[arg-type]
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")


def test_killed_runs_are_resumed_with_few_excess_bytes(tmp_path: Path) -> None:
    asset = Asset("item", "band", SIZE, described=True)
    catalog, directory = Catalog((asset,)), tmp_path / "out"
    part, note = part_paths(asset.file(directory))
    with OriginProcess(bytes_per_second=MIB / 2) as origin:
        document = tmp_path / "source.json"
        document.write_text(json.dumps(catalog.document(origin.href)))
        for run in range(3):
            with running(document, directory, "--run", str(run)) as victim:
                while missing_bytes(note) > SIZE - (run + 1) * 8 * MIB:
                    assert victim.poll() is None
                    time.sleep(0.01)
            assert part.exists()
        with running(document, directory, "--run", "3") as last:
            assert last.wait() == 0
        gets = origin.gets()
    assert catalog.wrong(directory) == []
    assert catalog.leftovers(directory) == []
    connections = {(get.headers[RUN_HEADER], get.peer) for get in gets}
    assert len(connections) > 3 * 8
    excess = sum(get.body_sent for get in gets) - SIZE
    killed = len([peer for run, peer in connections if run != "3"])
    assert excess <= Directory(directory).allowed * killed + CUT


@pytest.mark.parametrize(
    ("host", "wanted", "connections"),
    [
        ("example.com", None, 16),
        ("example.com", 3, 3),
        ("example.com", 64, 32),
        ("download.dataspace.copernicus.eu", None, 1),
        ("Zipper.Dataspace.Copernicus.eu.", None, 1),
        ("dataspace.copernicus.eu", None, 1),
        ("download.dataspace.copernicus.eu", 2, 2),
        ("dataspace.copernicus.eu.example.com", None, 16),
        ("mydataspace.copernicus.eu", None, 16),
        (None, None, 16),
    ],
)
def test_number_of_connections_depends_on_host_and_configuration(
    host: str | None, wanted: int | None, connections: int
) -> None:
    assert connections_per_file(Config(max_connections_per_file=wanted), host) == connections


def test_zero_connections_per_file_are_invalid() -> None:
    with pytest.raises(ConfigError, match="`max_connections_per_file` must be at least 1"):
        Config(max_connections_per_file=0).validate()
