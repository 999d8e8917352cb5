"""Uploads to a directory that receive bytes in pipes."""

from __future__ import annotations

import hashlib
import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from stac_asset.destinations import LocalDestination
from stac_asset.destinations.values import Declared
from stac_asset.errors import ChecksumError
from stac_asset.integrity import Multihash
from stac_asset.pipes import Pipe, PipedBytes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Only Linux has `splice`.")

SIZE = 3 * 1024 * 1024 + 17
DATA = os.urandom(SIZE)


class PipedSource:
    """Puts bytes into pipes, as an HTTP connection does."""

    def __init__(self) -> None:
        self._pipe = Pipe()
        self._sender, self._receiver = socket.socketpair()
        self._receiver.setblocking(False)

    def piped(self, data: bytes) -> Any:
        """Return bytes in a pipe. The bytes before them must have left the pipe."""
        assert not self._pipe.size
        self._sender.sendall(data)
        while self._pipe.size < len(data):
            self._pipe.fill(self._receiver.fileno(), len(data) - self._pipe.size)
        return PipedBytes(self._pipe, len(data))

    def close(self) -> None:
        self._sender.close()
        self._receiver.close()
        self._pipe.close()


@pytest.fixture
def source() -> Any:
    source = PipedSource()
    yield source
    source.close()


def declared(digest: bytes) -> Declared:
    return Declared(SIZE, Multihash(0x12, digest))


STEP = 100_000
STARTS = range(0, SIZE, STEP)


async def test_bytes_in_memory_and_in_pipes_are_one_file(
    tmp_path: Path, source: PipedSource
) -> None:
    expected = declared(hashlib.sha256(DATA).digest())
    async with LocalDestination(tmp_path).open_upload("a.tif", "source", expected) as upload:
        assert upload.accepts_pipes
        await upload.begin(0, '"v"', SIZE)
        for number, start in enumerate(STARTS):
            data = DATA[start : start + STEP]
            await upload.write(source.piped(data) if number % 3 else data)
            assert upload.offset == min(start + STEP, SIZE)
        assert await upload.head(10) == DATA[:10]
        assert await upload.commit() == str(expected.checksum)
    assert (tmp_path / "a.tif").read_bytes() == DATA


async def test_first_bytes_in_a_pipe_are_the_head(tmp_path: Path, source: PipedSource) -> None:
    async with LocalDestination(tmp_path).open_upload("a.tif", "source", Declared()) as upload:
        await upload.write(source.piped(DATA[:STEP]))
        assert await upload.head(10) == DATA[:10]
        assert await upload.head(1000) == DATA[:1000]


async def test_wrong_checksum_of_piped_bytes_is_an_error(
    tmp_path: Path, source: PipedSource
) -> None:
    expected = declared(hashlib.sha256(DATA[1:]).digest())
    async with LocalDestination(tmp_path).open_upload("a.tif", "source", expected) as upload:
        for start in STARTS:
            await upload.write(source.piped(DATA[start : start + STEP]))
        with pytest.raises(ChecksumError):
            await upload.commit()


async def test_ranges_in_pipes_arrive_in_any_order(tmp_path: Path, source: PipedSource) -> None:
    expected = declared(hashlib.sha256(DATA).digest())
    async with LocalDestination(tmp_path).open_upload("a.tif", "source", expected) as upload:
        await upload.begin(0, '"v"', SIZE)
        await upload.split()
        missing = upload.missing
        assert missing is not None
        first = missing.take(1024 * 1024)
        last = missing.take(SIZE)
        for target in (last, first):
            assert target is not None
            while target.size:
                data = DATA[target.position : min(target.end, target.position + STEP)]
                await upload.put(target, source.piped(data))
        await upload.commit()
    assert (tmp_path / "a.tif").read_bytes() == DATA
