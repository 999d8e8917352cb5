"""The decision whether a file needs several connections."""

from __future__ import annotations

from pathlib import Path

from stac_asset.destinations import Declared, LocalDestination
from stac_asset.transfer.speed import SpeedMeter

MIB = 1024 * 1024


async def test_slow_connection_of_large_rest_is_reported(tmp_path: Path) -> None:
    destination = LocalDestination(tmp_path)
    async with destination.open_upload("a.tif", "source", Declared()) as upload:
        await upload.begin(0, '"version"', 36 * MIB)
        meter = SpeedMeter(upload, 100.0)
        await upload.write(bytes(2 * MIB))
        assert not meter.is_slow(100.02)  # 100 MB/s.
        await upload.write(bytes(MIB))
        assert not meter.is_slow(100.2)  # The interval has not ended.
        assert meter.is_slow(100.3)  # 4 MB/s.
        await upload.write(bytes(MIB))
        assert meter.is_slow(101)  # 1 MB/s, and 32 MiB are missing.
        await upload.write(bytes(1))
        assert not meter.is_slow(102)  # Less than 32 MiB are missing.
