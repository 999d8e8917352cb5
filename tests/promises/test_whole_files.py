"""The final name holds the whole, verified file, or what stood there before."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stac_asset import Config, DownloadError, download_file, download_item
from stac_asset.destinations import BusyError, Declared, LocalDestination
from stac_asset.destinations.local.documents import write_document
from stac_asset.destinations.local.part_names import part_paths
from stac_asset.errors import ChecksumError, DestinationError, SizeError, StacAssetError
from stac_asset.stac.parse import stac_of
from stac_asset.testing import Fault, LoginPage, Origin, Reset, Stall, Status, Truncate
from tests.make_item import item_document

MIB = 1024 * 1024
OLD = b"what stood there before"


def described(origin: Origin, key: str, *, size: int, checksum: str | None = None) -> object:
    document = item_document(origin, key)
    document["assets"][key] |= {"file:size": size}
    if checksum is not None:
        document["assets"][key] |= {"file:checksum": checksum}
    return stac_of(document, origin.href("/item.json"), "item")


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


@pytest.mark.parametrize(
    "fault",
    [Status(404), Status(503), Truncate(1000), Reset(1000), Stall(1000), Reset(-1)],
    ids=str,
)
async def test_failure_leaves_what_stood_there(
    origin: Origin, tmp_path: Path, config: Config, fault: Fault
) -> None:
    config.http_max_attempts = 2
    config.http_read_timeout = 0.2 if isinstance(fault, Stall) else 60
    href = origin.put("/a.tif", size=20_000)
    origin.fault("/a.tif", fault, times=0)
    (tmp_path / "a.tif").write_bytes(OLD)
    with pytest.raises(StacAssetError):
        await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == OLD
    assert names(tmp_path) == ["a.tif"]
    origin.heal()
    config.http_read_timeout = 60
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")


async def test_wrong_checksum_leaves_what_stood_there(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    origin.put("/a.tif", size=2 * MIB)
    config.overwrite = True
    (tmp_path / "a.tif").write_bytes(OLD)
    wrong = "1220" + hashlib.sha256(b"something else").hexdigest()
    with pytest.raises(DownloadError) as caught:
        await download_item(
            described(origin, "a", size=2 * MIB, checksum=wrong),  # type: ignore[arg-type]
            tmp_path,
            config=config,
        )
    (error,) = caught.value.exceptions
    assert isinstance(error, ChecksumError)
    assert wrong in str(error)
    assert (tmp_path / "a.tif").read_bytes() == OLD
    assert part_paths(tmp_path / "a.tif")[0].name not in names(tmp_path)
    assert len(origin.gets("/a.tif")) == 1


@pytest.mark.parametrize(
    "algorithm", ["sha1", "sha256", "sha512", "sha3_256", "md5", "blake2b-128", "sha256 cut"]
)
async def test_right_checksum_of_any_algorithm_passes(
    origin: Origin, tmp_path: Path, config: Config, algorithm: str
) -> None:
    data = origin.content("/a.tif")
    checksum = {
        "sha1": "1114" + hashlib.sha1(data).hexdigest(),
        "sha256": "1220" + hashlib.sha256(data).hexdigest(),
        "sha512": "1340" + hashlib.sha512(data).hexdigest(),
        "sha3_256": "1620" + hashlib.sha3_256(data).hexdigest(),
        "md5": "d50110" + hashlib.md5(data).hexdigest(),
        "blake2b-128": "90e40210" + hashlib.blake2b(data, digest_size=16).hexdigest(),
        "sha256 cut": "1214" + hashlib.sha256(data).hexdigest()[:40],
    }[algorithm]
    item = described(origin, "a", size=len(data), checksum=checksum)
    await download_item(item, tmp_path, config=config)  # type: ignore[arg-type]
    assert (tmp_path / "a.tif").read_bytes() == data
    # And one that differs in its last digit does not.
    config.overwrite = True
    wrong = checksum[:-1] + ("0" if checksum[-1] != "0" else "1")
    with pytest.raises(DownloadError, match=wrong):
        await download_item(
            described(origin, "a", size=len(data), checksum=wrong),  # type: ignore[arg-type]
            tmp_path,
            config=config,
        )


async def test_wrong_size_leaves_what_stood_there(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    config.overwrite = True
    (tmp_path / "a.tif").write_bytes(OLD)
    with pytest.raises(DownloadError) as caught:
        await download_item(
            described(origin, "a", size=7),  # type: ignore[arg-type]
            tmp_path,
            config=config,
        )
    assert isinstance(caught.value.exceptions[0], SizeError)
    assert (tmp_path / "a.tif").read_bytes() == OLD


async def test_document_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    document = tmp_path / "item.json"
    document.write_bytes(OLD)
    part, _ = part_paths(document)
    part.mkdir()  # Nothing can be written under this name.
    with pytest.raises(DestinationError):
        write_document(document, b"new", tmp_path)
    assert document.read_bytes() == OLD
    part.rmdir()
    write_document(document, b"new", tmp_path)
    assert document.read_bytes() == b"new"
    assert names(tmp_path) == ["item.json"]


@pytest.mark.parametrize("document", [True, False])
async def test_bytes_are_on_the_disk_before_the_name(
    origin: Origin,
    tmp_path: Path,
    config: Config,
    monkeypatch: pytest.MonkeyPatch,
    document: bool,
) -> None:
    """No power can be cut here, so what the system is asked for is looked at."""
    asked: list[tuple[str, int]] = []
    fsync, replace = os.fsync, os.replace

    def synced(fd: int) -> None:
        asked.append(("synced", os.fstat(fd).st_ino))
        assert os.fstat(fd).st_size == (3 if document else 20_000)
        fsync(fd)

    def renamed(source: str, target: str, **folders: int) -> None:
        found = os.stat(source, dir_fd=folders["src_dir_fd"])
        asked.append(("renamed", found.st_ino))
        replace(source, target, **folders)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    if document:
        await LocalDestination(tmp_path).write("a", b"new")
    else:
        await download_file(origin.put("/a.tif", size=20_000), tmp_path / "a", config)
    whole = (tmp_path / "a").stat().st_ino
    assert asked == [("synced", whole), ("renamed", whole)]


async def test_cancellation_leaves_what_stood_there(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    keys = [f"a{number}" for number in range(20)]
    item = stac_of(item_document(origin, *keys), origin.href("/item.json"), "item")
    origin.fault("/*", Stall(after=100), times=0)
    (tmp_path / "a7.tif").write_bytes(OLD)
    config.overwrite = True
    running = asyncio.create_task(
        download_item(item, tmp_path, config=config)  # type: ignore[arg-type]
    )
    while len(origin.requests) < 20:
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert names(tmp_path) == ["a7.tif"]
    assert (tmp_path / "a7.tif").read_bytes() == OLD
    origin.heal()
    new = await download_item(item, tmp_path, config=config)  # type: ignore[arg-type]
    assert len(new.assets) == 20


async def test_fail_fast_cancels_the_others_and_leaves_no_part(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    keys = [f"a{number}" for number in range(20)]
    item = stac_of(item_document(origin, *keys), origin.href("/item.json"), "item")
    origin.fault("/a13.tif", Status(404), times=0)
    origin.fault("/*", Stall(after=100), times=0)
    config.fail_fast = True
    async with asyncio.timeout(240):
        with pytest.raises(FileNotFoundError, match="asset 'a13' of item 'the-item': 404"):
            await download_item(item, tmp_path, config=config)  # type: ignore[arg-type]
    assert names(tmp_path) == []


def run_limited(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs code in a process whose files cannot grow past 1 MiB, as on a disk that is full."""
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({MIB}, {MIB}))\n"
    return subprocess.run(
        [sys.executable, "-c", limit + code, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_full_disk_leaves_what_stood_there(origin: Origin, tmp_path: Path) -> None:
    href = origin.put("/a.tif", size=3 * MIB)
    (tmp_path / "a.tif").write_bytes(OLD)
    code = (
        "import sys, stac_asset.blocking\n"
        "stac_asset.blocking.download_file(sys.argv[1], sys.argv[2])\n"
    )
    full = run_limited(code, href, str(tmp_path / "a.tif"))
    assert full.returncode == 1
    last = full.stderr.strip().splitlines()[-1]
    assert "DestinationError" in last
    assert str(tmp_path / "a.tif") in last
    assert (tmp_path / "a.tif").read_bytes() == OLD
    assert names(tmp_path) == ["a.tif"]
    assert len(origin.gets("/a.tif")) == 1


async def test_killed_run_leaves_what_stood_there_and_the_next_one_finishes(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    href = origin.put("/a.tif", size=4 * MIB)
    origin.fault("/a.tif", Stall(after=3 * MIB))
    (tmp_path / "a.tif").write_bytes(OLD)
    code = (
        "import sys, stac_asset.blocking\n"
        "stac_asset.blocking.download_file(sys.argv[1], sys.argv[2])\n"
    )
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, href, str(tmp_path / "a.tif")
    )
    part, _ = part_paths(tmp_path / "a.tif")
    while not part.exists() or part.stat().st_size < 3 * MIB:
        await asyncio.sleep(0.01)
    os.kill(running.pid, signal.SIGKILL)
    await running.wait()
    assert (tmp_path / "a.tif").read_bytes() == OLD
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert origin.bytes_sent == 4 * MIB
    assert names(tmp_path) == ["a.tif"]


async def test_two_runs_at_once_do_not_spoil_one_file(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    href = origin.put("/a.tif", size=4 * MIB)
    await asyncio.gather(
        *(download_file(href, tmp_path / "a.tif", config) for _ in range(5)),
    )
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert names(tmp_path) == ["a.tif"]


async def test_second_run_waits_for_the_first_and_skips(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    item = stac_of(item_document(origin, "a"), origin.href("/item.json"), "item")
    await asyncio.gather(
        *(download_item(item, tmp_path, config=config) for _ in range(4))  # type: ignore[arg-type]
    )
    assert len(origin.gets("/a.tif")) == 1


async def test_login_page_in_place_of_a_file_is_no_file(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    document = item_document(origin, "a")
    document["assets"]["a"]["type"] = "image/tiff"
    item = stac_of(document, origin.href("/item.json"), "item")
    origin.fault("/a.tif", LoginPage(), times=0)
    with pytest.raises(DownloadError, match="text/html"):
        await download_item(item, tmp_path, config=config)  # type: ignore[arg-type]
    assert not (tmp_path / "a.tif").exists()


async def test_part_file_is_ours_alone(tmp_path: Path) -> None:
    destination = LocalDestination(tmp_path)
    async with destination.open_upload("a.tif", "source", Declared()):
        with pytest.raises(BusyError):
            async with destination.open_upload("a.tif", "source", Declared()):
                raise AssertionError("two uploads of one file are open")
    assert names(tmp_path) == []


async def test_one_failure_does_not_keep_the_item_from_being_written(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    item = stac_of(item_document(origin, "a", "b"), origin.href("/item.json"), "item")
    origin.remove("/b.tif")
    with pytest.raises(DownloadError, match="1 of 2 assets failed"):
        await download_item(item, tmp_path, config=config)  # type: ignore[arg-type]
    document = json.loads((tmp_path / "the-item.json").read_text())
    assert set(document["assets"]) == {"a"}
