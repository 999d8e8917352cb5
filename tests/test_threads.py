"""Slow calls leave the event loop, quick ones don't, and digests follow their files in threads."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from pathlib import Path

import pytest

from stac_asset.concurrency import in_thread
from stac_asset.destinations import Declared, LocalDestination
from stac_asset.destinations.local.digest import FollowingDigest
from stac_asset.destinations.local.hashing import BackgroundHashing
from stac_asset.destinations.local.offload import AdaptiveOffload, WriteScheduler
from stac_asset.integrity import Multihash

MIB = 1024 * 1024


def slow() -> int:
    time.sleep(0.01)
    return threading.get_ident()


async def test_after_two_slow_calls_the_next_ones_leave_the_loop() -> None:
    offload, here = AdaptiveOffload(), threading.get_ident()
    assert [await offload(slow), await offload(slow)] == [here, here]
    found = {await offload(threading.get_ident) for _ in range(64)}
    assert here not in found
    # Then the loop tries one again, and the pause after that is twice as long.
    assert await offload(slow) == here
    found = {await offload(threading.get_ident) for _ in range(128)}
    assert here not in found
    assert await offload(slow) == here


async def test_error_of_a_call_is_the_caller_s() -> None:
    offload = AdaptiveOffload()
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            await offload(lambda: [slow(), 1 // 0])


async def test_large_writes_leave_the_loop() -> None:
    writes, here = WriteScheduler(), threading.get_ident()
    found: list[tuple[int, int, bool]] = []

    def write(data: bytes, position: int) -> None:
        found.append((len(data), position, threading.get_ident() == here))

    await writes(write, bytes(64 * 1024), 3)
    await writes(write, bytes(MIB), position=5)
    assert found == [(64 * 1024, 3, True), (MIB, 5, False)]


async def test_cancellation_waits_for_the_call_in_the_thread() -> None:
    began, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def call() -> None:
        began.set()
        go_on.wait(60)
        ended.set()

    task = asyncio.create_task(in_thread(call))
    while not began.is_set():
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_resumed_part_file_is_hashed_in_a_thread(tmp_path: Path) -> None:
    data = bytes(range(256)) * (4 * 4096)
    expected = Multihash(0x12, hashlib.sha256(data + b"!").digest())
    destination = LocalDestination(tmp_path)
    declared = Declared(checksum=expected)
    async with destination.open_upload("a.tif", "source", declared) as upload:
        await upload.begin(0, '"one"', len(data) + 1)
        await upload.write(data)
    async with destination.open_upload("a.tif", "source", declared) as upload:
        assert upload.offset == len(data)
        await upload.begin(upload.offset, '"one"', len(data) + 1)
        await upload.write(b"!")
        assert await upload.commit() == str(expected)


async def test_background_hashing_leaves_only_a_few_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(bytes(4 * MIB))
    with path.open("rb") as file:
        digest = FollowingDigest(file.fileno(), None)
        hashing = BackgroundHashing(digest, str(path), lambda: 4 * MIB)
        assert hashing.unhashed == 4 * MIB
        hashing.proceed()
        await hashing.pause()
        assert hashing.unhashed == 0


def test_digest_notices_that_its_file_became_shorter(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(bytes(10))
    with path.open("rb") as file:
        digest = FollowingDigest(file.fileno(), None)
        digest.follow(10)
        assert digest.multihash().digest == hashlib.sha256(bytes(10)).digest()
        with pytest.raises(OSError, match="shorter"):
            digest.follow(11)
