"""Commits: the final name holds the complete, verified file, or the previous file."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from stac_asset import Config, DownloadError, download_file, download_item
from stac_asset.clients.http import HttpClient
from stac_asset.destinations import LocalDestination
from stac_asset.destinations.local.documents import write_document
from stac_asset.destinations.part_names import part_paths
from stac_asset.errors import ChecksumError, DestinationError, SizeError, StacAssetError
from stac_asset.testing import Fault, LoginPage, Origin, Reset, Stall, Status, Truncate
from tests.support.checksums import sha256_multihash
from tests.support.files import entry_names
from tests.support.items import item_from_origin

MIB = 1024 * 1024
PREVIOUS = b"previous file"
"""Content of the file that exists before a download."""

DOWNLOAD_CODE = (
    "import sys, stac_asset.blocking\nstac_asset.blocking.download_file(sys.argv[1], sys.argv[2])\n"
)
"""Python code that downloads a URL (first argument) to a path (second argument)."""


@pytest.mark.parametrize(
    "fault",
    [Status(404), Status(503), Truncate(1000), Reset(1000), Stall(1000), Reset(-1)],
    ids=str,
)
async def test_failed_download_keeps_previous_file(
    origin: Origin, tmp_path: Path, config: Config, fault: Fault
) -> None:
    config.http_max_attempts = 2
    config.http_read_timeout = 0.2 if isinstance(fault, Stall) else 60
    href = origin.put("/a.tif", size=20_000)
    origin.fault("/a.tif", fault, times=0)
    (tmp_path / "a.tif").write_bytes(PREVIOUS)
    with pytest.raises(StacAssetError):
        await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == PREVIOUS
    assert entry_names(tmp_path) == ["a.tif"]
    origin.heal()
    config.http_read_timeout = 60
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")


async def test_wrong_checksum_keeps_previous_file(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    origin.put("/a.tif", size=2 * MIB)
    config.overwrite = True
    (tmp_path / "a.tif").write_bytes(PREVIOUS)
    wrong = sha256_multihash(b"something else")
    item = item_from_origin(origin, "a", **{"file:size": 2 * MIB, "file:checksum": wrong})
    with pytest.raises(DownloadError) as caught:
        await download_item(item, tmp_path, config=config)
    (error,) = caught.value.exceptions
    assert isinstance(error, ChecksumError)
    assert wrong in str(error)
    assert (tmp_path / "a.tif").read_bytes() == PREVIOUS
    assert part_paths(tmp_path / "a.tif")[0].name not in entry_names(tmp_path)
    assert len(origin.gets("/a.tif")) == 1


@pytest.mark.parametrize(
    "algorithm", ["sha1", "sha256", "sha512", "sha3_256", "md5", "blake2b-128", "truncated sha256"]
)
async def test_checksum_of_each_algorithm_is_verified(
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
        "truncated sha256": "1214" + hashlib.sha256(data).hexdigest()[:40],
    }[algorithm]
    item = item_from_origin(origin, "a", **{"file:size": len(data), "file:checksum": checksum})
    await download_item(item, tmp_path, config=config)
    assert (tmp_path / "a.tif").read_bytes() == data
    # A checksum that differs in its last digit is refused.
    config.overwrite = True
    wrong = checksum[:-1] + ("0" if checksum[-1] != "0" else "1")
    item = item_from_origin(origin, "a", **{"file:size": len(data), "file:checksum": wrong})
    with pytest.raises(DownloadError, match=wrong):
        await download_item(item, tmp_path, config=config)


async def test_wrong_size_keeps_previous_file(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    config.overwrite = True
    (tmp_path / "a.tif").write_bytes(PREVIOUS)
    with pytest.raises(DownloadError) as caught:
        await download_item(
            item_from_origin(origin, "a", **{"file:size": 7}), tmp_path, config=config
        )
    assert isinstance(caught.value.exceptions[0], SizeError)
    assert (tmp_path / "a.tif").read_bytes() == PREVIOUS


async def test_failed_write_keeps_previous_document(tmp_path: Path) -> None:
    document = tmp_path / "item.json"
    document.write_bytes(PREVIOUS)
    part, _ = part_paths(document)
    part.mkdir()  # The part file cannot be opened.
    with pytest.raises(DestinationError):
        write_document(document, b"new", tmp_path)
    assert document.read_bytes() == PREVIOUS
    part.rmdir()
    write_document(document, b"new", tmp_path)
    assert document.read_bytes() == b"new"
    assert entry_names(tmp_path) == ["item.json"]


@pytest.mark.parametrize("is_document", [True, False])
async def test_file_is_synced_before_rename(
    origin: Origin,
    tmp_path: Path,
    config: Config,
    monkeypatch: pytest.MonkeyPatch,
    is_document: bool,
) -> None:
    """The order of system calls stands for a power cut, which a test cannot cause."""
    calls: list[tuple[str, int]] = []
    fsync, replace = os.fsync, os.replace

    def record_fsync(fd: int) -> None:
        calls.append(("fsync", os.fstat(fd).st_ino))
        assert os.fstat(fd).st_size == (3 if is_document else 20_000)
        fsync(fd)

    def record_replace(source: str, target: str, **folders: int) -> None:
        found = os.stat(source, dir_fd=folders["src_dir_fd"])
        calls.append(("replace", found.st_ino))
        replace(source, target, **folders)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "replace", record_replace)
    if is_document:
        await LocalDestination(tmp_path).write("a", b"new")
    else:
        await download_file(origin.put("/a.tif", size=20_000), tmp_path / "a", config)
    inode = (tmp_path / "a").stat().st_ino
    assert calls == [("fsync", inode), ("replace", inode)]


async def test_slow_syncs_overlap_and_precede_renames(
    origin: Origin, tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin_item = item_from_origin(origin, *(f"a{number}" for number in range(2 + 64)))
    started, synced = set[int](), set[int]()
    changed, loop_thread = threading.Condition(), threading.get_ident()
    fsync, replace = os.fsync, os.replace

    def slow_fsync(fd: int) -> None:
        if threading.get_ident() == loop_thread:
            time.sleep(0.003)  # A slow disk, so the further syncs run in threads.
        else:
            with changed:
                started.add(os.fstat(fd).st_ino)
                changed.notify_all()
                # No sync ends until 16 have started.
                assert changed.wait_for(lambda: len(started) >= 16, timeout=20)
        fsync(fd)
        synced.add(os.fstat(fd).st_ino)

    def checked_replace(source: str, target: str, **folders: int) -> None:
        assert os.stat(source, dir_fd=folders["src_dir_fd"]).st_ino in synced
        replace(source, target, **folders)

    monkeypatch.setattr(os, "fsync", slow_fsync)
    monkeypatch.setattr(os, "replace", checked_replace)
    await download_item(origin_item, tmp_path, config=config)
    assert len(list(tmp_path.glob("*.tif"))) == 66


async def test_files_and_documents_are_not_synced_if_fsync_is_off(
    origin: Origin, tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda fd: pytest.fail("a file was synced"))
    config.fsync = False
    await download_item(item_from_origin(origin, "a"), tmp_path, config=config)
    await download_file(origin.put("/b.tif", size=2000), tmp_path / "b.tif", config)
    async with await HttpClient.from_config(config) as client:
        await client.download_href(origin.put("/c.tif", size=2000), tmp_path / "c.tif")
    assert entry_names(tmp_path) == ["a.tif", "b.tif", "c.tif", "the-item.json"]


async def test_cancelled_download_keeps_previous_file(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    item = item_from_origin(origin, *(f"a{number}" for number in range(20)))
    origin.fault("/*", Stall(after=100), times=0)
    (tmp_path / "a7.tif").write_bytes(PREVIOUS)
    config.overwrite = True
    running = asyncio.create_task(download_item(item, tmp_path, config=config))
    while len(origin.requests) < 20:
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert entry_names(tmp_path) == ["a7.tif"]
    assert (tmp_path / "a7.tif").read_bytes() == PREVIOUS
    origin.heal()
    new = await download_item(item, tmp_path, config=config)
    assert len(new.assets) == 20


async def test_fail_fast_cancels_other_downloads_and_removes_part_files(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    item = item_from_origin(origin, *(f"a{number}" for number in range(20)))
    origin.fault("/a13.tif", Status(404), times=0)
    origin.fault("/*", Stall(after=100), times=0)
    config.fail_fast = True
    async with asyncio.timeout(240):
        with pytest.raises(FileNotFoundError, match="asset 'a13' of item 'the-item': 404"):
            await download_item(item, tmp_path, config=config)
    assert entry_names(tmp_path) == []


def run_with_file_size_limit(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code with a file size limit of 1 MiB, which simulates a full disk."""
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({MIB}, {MIB}))\n"
    return subprocess.run(
        [sys.executable, "-c", limit + code, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_full_disk_keeps_previous_file(origin: Origin, tmp_path: Path) -> None:
    href = origin.put("/a.tif", size=3 * MIB)
    (tmp_path / "a.tif").write_bytes(PREVIOUS)
    run = run_with_file_size_limit(DOWNLOAD_CODE, href, str(tmp_path / "a.tif"))
    assert run.returncode == 1
    message = run.stderr.strip().splitlines()[-1]
    assert "DestinationError" in message
    assert str(tmp_path / "a.tif") in message
    assert (tmp_path / "a.tif").read_bytes() == PREVIOUS
    assert entry_names(tmp_path) == ["a.tif"]
    assert len(origin.gets("/a.tif")) == 1


async def test_killed_run_keeps_previous_file_and_next_run_resumes(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    href = origin.put("/a.tif", size=4 * MIB)
    origin.fault("/a.tif", Stall(after=3 * MIB))
    (tmp_path / "a.tif").write_bytes(PREVIOUS)
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-c", DOWNLOAD_CODE, href, str(tmp_path / "a.tif")
    )
    part, _ = part_paths(tmp_path / "a.tif")
    while not part.exists() or part.stat().st_size < 3 * MIB:
        await asyncio.sleep(0.01)
    os.kill(running.pid, signal.SIGKILL)
    await running.wait()
    assert (tmp_path / "a.tif").read_bytes() == PREVIOUS
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert origin.bytes_sent == 4 * MIB
    assert entry_names(tmp_path) == ["a.tif"]


async def test_login_page_is_not_accepted_as_file(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    item = item_from_origin(origin, "a", type="image/tiff")
    origin.fault("/a.tif", LoginPage(), times=0)
    with pytest.raises(DownloadError, match="text/html"):
        await download_item(item, tmp_path, config=config)
    assert not (tmp_path / "a.tif").exists()


async def test_document_is_written_if_an_asset_failed(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    item = item_from_origin(origin, "a", "b")
    origin.remove("/b.tif")
    with pytest.raises(DownloadError, match="1 of 2 assets failed"):
        await download_item(item, tmp_path, config=config)
    document = json.loads((tmp_path / "the-item.json").read_text())
    assert set(document["assets"]) == {"a"}
