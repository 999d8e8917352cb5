"""Large files arrive over several connections at a time, and all promises hold for them too."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from pathlib import Path

import pytest

from bench.catalog import Asset, Catalog
from bench.crash import ALLOWED, running
from bench.victim import RUN_HEADER
from stac_asset import Config, ConfigError, DownloadError, download_file, download_item
from stac_asset.destinations import Declared, LocalDestination
from stac_asset.destinations.local.part_names import part_paths
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
from stac_asset.transfer.speed import SpeedProbe
from tests.make_item import item_document

MIB = 1024 * 1024
SIZE = 40 * MIB
CUT = 8 * MIB
"""What the sockets may hold of a response to a whole file of which a piece was wanted."""

SLOW = Stall(after=MIB // 4, seconds=0.1)
"""The first response, beside which others are opened: a fast one would be left alone, and by what
comes before the silence none is fast."""


def leftovers(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir() if file.name.startswith("."))


def spans(origin: Origin) -> list[tuple[int, int]]:
    """Returns the pieces that were asked for, in the order of their places."""
    asked = [get.range.removeprefix("bytes=").split("-") for get in origin.gets() if get.range]
    return sorted((int(first), int(last) + 1) for first, last in asked)


@pytest.fixture
def config() -> Config:
    return Config(retry_wait=0.01, retry_wait_max=0.05, max_connections_per_file=4)


@pytest.fixture
def href(origin: Origin) -> str:
    origin.fault("/a.tif", SLOW)
    return origin.put("/a.tif", size=SIZE)


async def test_pieces_come_at_the_same_time(
    origin: Origin, href: str, tmp_path: Path, config: Config
) -> None:
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    whole, *pieces = origin.gets()
    assert whole.range is None
    assert whole.status == 200
    assert {piece.status for piece in pieces} == {206}
    assert all("if-range" in piece.headers for piece in pieces)
    assert len({piece.peer for piece in pieces}) >= 3
    # Without a gap, and without an overlap.
    asked = spans(origin)
    assert asked[-1][1] == SIZE
    assert [last for _, last in asked[:-1]] == [first for first, _ in asked[1:]]
    assert sum(piece.body_sent for piece in pieces) == SIZE - asked[0][0]
    assert leftovers(tmp_path) == []


async def test_no_more_connections_than_the_file_and_the_host_may_have(
    origin: Origin, href: str, tmp_path: Path, config: Config
) -> None:
    for name, limits in {"a": (4, 32), "b": (16, 3)}.items():
        config.max_connections_per_file, config.max_connections_per_host = limits
        await download_file(href, tmp_path / name, config)
        # A response that was cut may still be on its way.
        assert 2 <= origin.in_flight_max <= min(limits) + 1
        origin.forget()
        origin.fault("/a.tif", SLOW)


async def test_several_large_files_share_the_places_of_their_host(
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


@pytest.mark.parametrize("fault", [NoValidator(), IgnoreRange()], ids=["no-validator", "ignores"])
async def test_source_that_cannot_send_pieces_sends_the_whole(
    origin: Origin, href: str, tmp_path: Path, config: Config, fault: Fault
) -> None:
    origin.fault("/a.tif", fault, times=0)
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert leftovers(tmp_path) == []


async def test_small_files_and_one_connection_are_one_request(
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
async def test_connection_that_fails_leaves_its_piece_to_the_others(
    origin: Origin, href: str, tmp_path: Path, config: Config, fault: Fault, status: int
) -> None:
    origin.fault("/a.tif", fault)  # The first piece
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    _, *pieces = origin.gets()
    assert pieces[0].status == status
    assert [get.range for get in origin.gets()].count(None) == 1
    # What had come of the piece is not asked for again.
    assert sum(piece.body_sent for piece in pieces) <= SIZE
    assert leftovers(tmp_path) == []


async def test_file_that_is_gone_is_not_asked_for_again_and_again(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    href = origin.put("/a.tif", size=SIZE)
    origin.fault("/a.tif", SLOW, Truncate(2 * MIB))
    origin.fault("/a.tif", Status(404), times=100)
    with pytest.raises(NotFoundError):
        await download_file(href, tmp_path / "a.tif", config)
    assert list(tmp_path.iterdir()) == []
    # Over four connections, of which the first may wait for each of the others, and then over one.
    assert len(origin.gets()) <= 1 + 3 + 7 + 1


@pytest.mark.parametrize("fault", [Changed(), WrongRange(shift=7)], ids=["changed", "wrong"])
async def test_source_that_changes_between_two_pieces_is_fetched_anew(
    origin: Origin, href: str, tmp_path: Path, config: Config, fault: Fault
) -> None:
    origin.fault("/a.tif", fault)
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert [get.range for get in origin.gets()].count(None) == 2
    assert leftovers(tmp_path) == []


def missing(note: Path) -> int:
    """Returns how many bytes are missing by a note."""
    try:
        return sum(last - first for first, last in json.loads(note.read_bytes())["missing"])
    except (FileNotFoundError, KeyError, ValueError):
        return SIZE


async def cancelled(origin: Origin, href: str, target: Path, config: Config) -> list[list[int]]:
    """Downloads about a half, and returns what is missing by the note."""
    origin.fault("/a.tif", Stall(after=MIB), times=100)
    running = asyncio.create_task(download_file(href, target, config))
    part, note = part_paths(target)

    # Each of the connections has sent the first bytes of its piece, and stopped: the one that was
    # opened for the whole asks for another piece when its own is there. A request that is on its
    # way when the run is cancelled would arrive in the middle of the next one.
    def pieces() -> int:
        return sum(get.range is not None for get in origin.gets())

    while missing(note) > SIZE - 3 * MIB or pieces() < config.max_connections_per_file:
        assert not running.done()
        await asyncio.sleep(0.02)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not target.exists()
    assert part.exists()
    origin.heal()
    origin.forget()
    spans: list[list[int]] = json.loads(note.read_bytes())["missing"]
    assert len(spans) > 2
    joined = spans[:1]
    for first, last in spans[1:]:
        if first == joined[-1][1]:
            joined[-1][1] = last
        else:
            joined.append([first, last])
    return joined


async def test_next_run_asks_for_what_is_missing_and_for_nothing_else(
    origin: Origin, href: str, tmp_path: Path, config: Config
) -> None:
    left = await cancelled(origin, href, tmp_path / "a.tif", config)
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert origin.bytes_sent == sum(last - first for first, last in left) < SIZE
    for first, last in spans(origin):
        assert any(begin <= first < last <= end for begin, end in left)
    assert leftovers(tmp_path) == []


async def test_next_run_with_one_connection_goes_on_too(
    origin: Origin, href: str, tmp_path: Path, config: Config
) -> None:
    left = await cancelled(origin, href, tmp_path / "a.tif", config)
    config.max_connections_per_file = 1
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert origin.bytes_sent == sum(last - first for first, last in left)
    assert len({get.peer for get in origin.gets()}) == 1


async def test_next_run_starts_over_where_the_source_changed(
    origin: Origin, href: str, tmp_path: Path, config: Config
) -> None:
    await cancelled(origin, href, tmp_path / "a.tif", config)
    origin.fault("/a.tif", Changed())
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("spoiled", ['{"missing": 3}', "[[1, 2]", "[[5, 3]]", "[[0, 99999999999]]"])
async def test_note_that_is_none_counts_for_nothing(
    origin: Origin, href: str, tmp_path: Path, config: Config, spoiled: str
) -> None:
    await cancelled(origin, href, tmp_path / "a.tif", config)
    _, note = part_paths(tmp_path / "a.tif")
    said = json.loads(note.read_bytes())
    note.write_text(json.dumps(said).replace(json.dumps(said["missing"]), spoiled))
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert origin.gets()[0].range is None


async def test_part_file_that_is_shorter_than_its_note_says_starts_over(
    origin: Origin, href: str, tmp_path: Path, config: Config
) -> None:
    await cancelled(origin, href, tmp_path / "a.tif", config)
    part, _ = part_paths(tmp_path / "a.tif")
    with part.open("r+b") as file:
        file.truncate(MIB)
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert origin.gets()[0].range is None


async def test_checksum_of_pieces_is_verified_and_written(
    origin: Origin, href: str, tmp_path: Path, config: Config
) -> None:
    document = item_document(origin, "a")
    checksum = "1220" + hashlib.sha256(origin.content("/a.tif")).hexdigest()
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


async def test_spoiled_pieces_of_an_earlier_run_are_found_and_fetched_anew(
    origin: Origin, href: str, tmp_path: Path, config: Config
) -> None:
    document = item_document(origin, "a")
    digest = hashlib.sha256(origin.content("/a.tif")).hexdigest()
    document["assets"]["a"] |= {"file:size": SIZE, "file:checksum": f"1220{digest}"}
    item = stac_of(document, origin.href("/item.json"), "item")
    await cancelled(origin, href, tmp_path / "a.tif", config)
    part, _ = part_paths(tmp_path / "a.tif")
    with part.open("r+b") as file:
        file.write(bytes(1024))
    await download_item(item, tmp_path, config=config)  # type: ignore[arg-type]
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")


def test_kills_lose_nothing_and_waste_little(tmp_path: Path) -> None:
    asset = Asset("item", "band", SIZE, described=True)
    catalog, directory = Catalog((asset,)), tmp_path / "out"
    part, note = part_paths(asset.file(directory))
    with OriginProcess(bytes_per_second=MIB / 2) as origin:
        document = tmp_path / "source.json"
        document.write_text(json.dumps(catalog.document(origin.href)))
        for run in range(3):
            with running(document, directory, "--run", str(run)) as victim:
                while missing(note) > SIZE - (run + 1) * 8 * MIB:
                    assert victim.poll() is None
                    time.sleep(0.01)
            assert part.exists()
        with running(document, directory, "--run", "3") as last:
            assert last.wait() == 0
        gets = origin.gets()
    assert catalog.wrong(directory) == []
    assert catalog.leftovers(directory) == []
    killed = {(get.headers[RUN_HEADER], get.peer) for get in gets}
    assert len(killed) > 3 * 8  # They did come over many connections.
    excess = sum(get.body_sent for get in gets) - SIZE
    assert excess <= ALLOWED * len([peer for run, peer in killed if run != "3"]) + CUT


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
def test_connections_of_a_file(host: str | None, wanted: int | None, connections: int) -> None:
    assert connections_per_file(Config(max_connections_per_file=wanted), host) == connections


def test_less_than_one_connection_is_none() -> None:
    with pytest.raises(ConfigError, match="max_connections_per_file must be at least 1"):
        Config(max_connections_per_file=0).validate()


async def test_connection_that_is_fast_is_left_alone(tmp_path: Path) -> None:
    destination = LocalDestination(tmp_path)
    async with destination.open_upload("a.tif", "source", Declared()) as part:
        await part.begin(0, '"version"', 36 * MIB)
        pace = SpeedProbe(part, 100.0)
        await part.write(bytes(2 * MIB))
        assert not pace.is_slow(100.02)  # 100 MB/s
        await part.write(bytes(MIB))
        assert not pace.is_slow(100.2)  # Too early to tell.
        assert pace.is_slow(100.3)  # 4 MB/s
        await part.write(bytes(MIB))
        assert pace.is_slow(101)  # 1 MB/s, and 32 MiB are missing.
        await part.write(bytes(1))
        assert not pace.is_slow(102)  # So little is missing that it is not worth it.
