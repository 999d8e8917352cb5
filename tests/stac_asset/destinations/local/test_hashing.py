"""Hashing of part files in threads."""

from __future__ import annotations

import hashlib
from pathlib import Path

from stac_asset.destinations import Declared, LocalDestination
from stac_asset.destinations.local.digest import FollowingDigest
from stac_asset.destinations.local.hashing import BackgroundHashing
from stac_asset.integrity import Multihash

MIB = 1024 * 1024


async def test_resumed_part_file_is_hashed(tmp_path: Path) -> None:
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


async def test_background_thread_hashes_all_received_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(bytes(4 * MIB))
    with path.open("rb") as file:
        digest = FollowingDigest(file.fileno(), None)
        hashing = BackgroundHashing(digest, str(path), lambda: 4 * MIB)
        assert hashing.unhashed == 4 * MIB
        hashing.proceed()
        await hashing.pause()
        assert hashing.unhashed == 0
