"""The choice between the chunks of a response in memory and in pipes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from stac_asset.destinations import LocalDestination
from stac_asset.destinations.values import Declared
from stac_asset.transfer.interface import Response
from stac_asset.transfer.meter import chunks_for
from stac_asset.transfer.stall import StallTimer


async def one(chunk: bytes) -> AsyncIterator[bytes]:
    yield chunk


async def test_uploads_to_directories_receive_from_pipes(tmp_path: Path) -> None:
    destination, timer = LocalDestination(tmp_path), StallTimer("a.tif", 1, None)
    async with destination.open_upload("a.tif", "source", Declared()) as upload:
        both = Response(one(b"in memory"), piped_chunks=one(b"in pipes"))
        assert [chunk async for chunk in chunks_for(upload, both, None, timer)] == [b"in pipes"]
        memory = Response(one(b"in memory"))
        assert [chunk async for chunk in chunks_for(upload, memory, None, timer)] == [b"in memory"]
