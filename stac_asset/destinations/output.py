"""Internal: files that grow during a run: reports, and item collections.

A file in a directory is a part file that is renamed at the end. A file in an object store is
collected in a temporary file of this machine, and uploaded at the end.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import IO, Protocol

from stac_asset.concurrency import in_thread
from stac_asset.destinations import BusyError, Declared, Destinations, Upload
from stac_asset.destinations.local.documents import new_file
from stac_asset.destinations.local.part_file import PartFile
from stac_asset.destinations.location import Location
from stac_asset.errors import DestinationError

_SOURCE = "stac-asset:output"
"""Identity of the source of an upload. No other upload continues the upload."""

_MAX_MEMORY = 8 * 1024 * 1024
"""Maximum size, in bytes, of a file that is collected in memory."""

_MIN_WRITE = 64 * 1024
"""Minimum size, in bytes, of a write to a file in a directory, except for the last."""

_WAIT = 45.0
"""Seconds to wait while another run is writing an object.

Services without conditional requests keep the lease of a killed run for half a minute.
"""

_BLOCK = 1024 * 1024
"""Number of bytes that are uploaded at a time."""


class Output(Protocol):
    """A file that grows during a run. Without `commit`, the previous file is kept."""

    def append(self, data: bytes) -> None:
        """Append bytes.

        Args:
            data: The bytes.
        """

    async def commit(self) -> None:
        """Replace the previous file.

        Raises:
            DestinationError: The file cannot be completed, or another run replaced the file.
        """


class _LocalOutput:
    """A file in a directory. Rows are short, so that each write has several."""

    def __init__(self, file: PartFile) -> None:
        self._file = file
        self._waiting = bytearray()

    def append(self, data: bytes) -> None:
        self._waiting += data
        if len(self._waiting) >= _MIN_WRITE:
            self._write()

    async def commit(self) -> None:
        self._write()
        self._file.commit()

    def _write(self) -> None:
        self._file.append(bytes(self._waiting))
        self._waiting.clear()


class _StoreOutput:
    """An object of an object store."""

    def __init__(self, upload: Upload, collected: IO[bytes]) -> None:
        self._upload = upload
        self._collected = collected

    def append(self, data: bytes) -> None:
        self._collected.write(data)

    async def commit(self) -> None:
        collected, upload = self._collected, self._upload
        await upload.begin(0, None, collected.tell())
        collected.seek(0)
        while block := await in_thread(collected.read, _BLOCK):
            await upload.write(block)
        await upload.commit()


@asynccontextmanager
async def open_output(
    location: Location,
    directory: Location,
    destinations: Destinations | None,
    parameter: str = "directory",
) -> AsyncIterator[Output]:
    """Open a file of a run that grows. Without a commit, the previous file is kept.

    Args:
        location: The absolute location of the file.
        directory: The directory of the run, which contains the file.
        destinations: The destinations of the run. Required for an object.
        parameter: The parameter that determines the location, for error messages.

    Raises:
        DestinationError: Another run is writing the file, or the file cannot be created.
    """
    if isinstance(location, Path) and isinstance(directory, Path):
        with ExitStack() as open_file:
            try:
                file = open_file.enter_context(new_file(location, directory))
            except BusyError:
                # Do not wait: the other run may take long, or may be waiting for this run.
                raise _busy(location, parameter) from None
            yield _LocalOutput(file)
        return
    assert destinations is not None, "an object has a destination"
    destination = destinations.destination_of(str(directory))
    with tempfile.SpooledTemporaryFile(_MAX_MEMORY) as collected:
        async with AsyncExitStack() as stack:
            # Open during the whole run, so that the file is replaced only if no other run did.
            key = destination.key_of(str(location))
            opened = destination.open_upload(key, _SOURCE, Declared(), wait=True)
            try:
                async with asyncio.timeout(_WAIT):
                    upload = await stack.enter_async_context(opened)
            except TimeoutError:
                raise _busy(location, parameter) from None
            yield _StoreOutput(upload, collected)


def _busy(location: Location, parameter: str) -> DestinationError:
    return DestinationError(
        f"Cannot write '{location}': another run is writing it. Wait for that run to end, or set "
        f"`{parameter}` to another path."
    )
