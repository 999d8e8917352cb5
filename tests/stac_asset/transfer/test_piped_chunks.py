"""The choice between the chunks of a response in memory and in pipes."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stac_asset import Config
from stac_asset.clients import Clients
from stac_asset.destinations import LocalDestination, LocalDestinations
from stac_asset.destinations.values import Declared
from stac_asset.errors import DestinationError
from stac_asset.pipes import Pipe
from stac_asset.testing import Origin
from stac_asset.transfer.engine import Engine
from stac_asset.transfer.interface import Response
from stac_asset.transfer.meter import chunks_for
from stac_asset.transfer.stall import StallTimer
from stac_asset.types import Failed
from tests.support.transfers import file_transfer

MIB = 1024 * 1024


async def one(chunk: bytes) -> AsyncIterator[bytes]:
    yield chunk


async def test_uploads_to_directories_receive_from_pipes(tmp_path: Path) -> None:
    destination, timer = LocalDestination(tmp_path), StallTimer("a.tif", 1, None)
    async with destination.open_upload("a.tif", "source", Declared()) as upload:
        both = Response(one(b"in memory"), piped_chunks=one(b"in pipes"))
        assert [chunk async for chunk in chunks_for(upload, both, None, timer)] == [b"in pipes"]
        memory = Response(one(b"in memory"))
        assert [chunk async for chunk in chunks_for(upload, memory, None, timer)] == [b"in memory"]


def open_pipes() -> int:
    """Return the number of descriptors of pipes that this process has open."""
    links = (Path(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd"))
    return sum(link.is_symlink() and os.readlink(link).startswith("pipe:") for link in links)


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux has `splice`.")
@pytest.mark.parametrize("connections", [1, 2])
async def test_failed_writes_leave_no_pipes_open(
    origin: Origin, tmp_path: Path, config: Config, connections: int
) -> None:
    """The errors of a run refer to the frames that read the chunks."""
    config.max_connections_per_file = connections
    transfers = [
        file_transfer(origin.put(f"/{number}.tif", size=4 * MIB), tmp_path / f"{number}.tif")
        for number in range(10)
    ]
    for pipe in [Pipe.free() for _ in range(20)]:
        pipe.close()  # So that no pipe is left from earlier bodies.
    before = open_pipes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB + 5, hard))  # As on a full disk.
    try:
        async with Clients(config, []) as clients:
            engine = Engine(clients, config, LocalDestinations(), max_concurrent_downloads=1)
            outcomes = [outcome async for outcome in engine.run(transfers)]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    for outcome in outcomes:
        assert isinstance(outcome, Failed)
        assert isinstance(outcome.error, DestinationError)
    # A pipe of each connection may be kept for later bodies. It has two descriptors.
    assert open_pipes() <= before + 2 * connections
