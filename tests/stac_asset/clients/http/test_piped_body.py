"""Large bodies that arrive in pipes."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from stac_asset.errors import TruncatedError
from stac_asset.pipes import Pipe, PipedBytes
from stac_asset.testing import Origin, Truncate
from stac_asset.transfer.interface import Response
from tests.stac_asset.clients.http.test_body import MIB, new_client, request_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Only Linux has `splice`.")

SIZE = 32 * MIB + 17

WITHOUT_SPLICE = """
import ctypes, platform, struct

number = {"x86_64": 275, "aarch64": 76}[platform.machine()]
steps = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x50001), (0x06, 0, 0, 0x7FFF0000)]
code = b"".join(struct.pack("HBBI", *step) for step in steps)

class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.c_char_p)]

libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(Filter(len(steps), code)), 0, 0) == 0
"""
"""Code that adds a seccomp filter to a process. The call `splice` then fails with EPERM."""

DOWNLOAD = """
import sys
from stac_asset import blocking

blocking.download_file(sys.argv[1], sys.argv[2])
"""


async def read(response: Response) -> tuple[bytes, set[type]]:
    """Return the body, and the types of its chunks."""
    assert response.piped_chunks is not None
    received, kinds = bytearray(), set()
    async for chunk in response.piped_chunks:
        kinds.add(type(chunk))
        received += bytes(chunk)
    return bytes(received), kinds


async def test_caller_that_waits_stops_the_sender(origin: Origin) -> None:
    """Bytes wait in the socket while a chunk is in use."""
    href, content = origin.put("/a.tif", size=SIZE), origin.content("/a.tif")
    async with new_client() as client, client.fetch(request_for(href)) as response:
        assert response.piped_chunks is not None
        received, is_piped = bytearray(), False
        async for chunk in response.piped_chunks:
            if isinstance(chunk, PipedBytes) and not is_piped:
                is_piped = True
                sent = -1
                while origin.bytes_sent > sent:
                    sent = origin.bytes_sent
                    await asyncio.sleep(0.2)
                assert sent < SIZE
            received += bytes(chunk)
    assert is_piped
    assert received == content


async def test_bytes_before_an_early_end_are_received(origin: Origin) -> None:
    href = origin.put("/a.tif", size=SIZE)
    origin.fault("/a.tif", Truncate(SIZE - 1))
    received = bytearray()

    async def receive() -> None:
        async with new_client() as client, client.fetch(request_for(href)) as response:
            assert response.piped_chunks is not None
            async for chunk in response.piped_chunks:
                await asyncio.sleep(0)
                received.extend(bytes(chunk))

    with pytest.raises(TruncatedError, match="ended before its announced length"):
        await receive()
    assert received == origin.content("/a.tif")[: SIZE - 1]


async def test_body_arrives_in_buffers_if_no_file_can_be_opened(origin: Origin) -> None:
    href, content = origin.put("/a.tif", size=SIZE), origin.content("/a.tif")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    kept = [Pipe.free() for _ in range(40)]
    try:
        async with new_client() as client:
            async with client.fetch(request_for(href)) as response:
                resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
                try:
                    body, kinds = await read(response)
                finally:
                    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                assert body == content
                assert PipedBytes not in kinds
            async with client.fetch(request_for(href)) as response:
                body, kinds = await read(response)
                assert body == content
                assert PipedBytes in kinds
    finally:
        for pipe in kept:
            pipe.close()


def test_body_arrives_in_buffers_if_a_sandbox_forbids_splice(
    origin: Origin, tmp_path: Path
) -> None:
    href = origin.put("/a.tif", size=SIZE)
    subprocess.run(
        [sys.executable, "-c", WITHOUT_SPLICE + DOWNLOAD, href, tmp_path / "a.tif"], check=True
    )
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
