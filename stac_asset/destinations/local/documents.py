"""Writes a document whole or not at all."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from stac_asset.concurrency import in_thread
from stac_asset.destinations.local.lock import when_free
from stac_asset.destinations.local.part_file import PartFile


async def write_document(
    path: Path, data: bytes, directory: Path, make_directory: bool = True
) -> None:
    """Writes a document whole or not at all, when nobody else is writing it.

    A cancellation prevents the write, or waits for it; it is never left to a thread.

    Args:
        path: Where it goes.
        data: What it holds.
        directory: The directory that it may not leave.
        make_directory: Whether the directory may be made; the folders in it always may.

    Raises:
        UnsafePathError: The path leaves the directory.
        DestinationError: It cannot be written.
    """
    open_part = partial(PartFile, path, directory, "document", make_directory)
    with await when_free(open_part, os.fspath(path)) as part:
        await in_thread(_fill, part, data)


def write_document_blocking(path: Path, data: bytes, directory: Path) -> None:
    """Does the same where no event loop is; it blocks while somebody else is writing it.

    Args:
        path: Where it goes.
        data: What it holds.
        directory: The directory that it may not leave; it is made if it is not there.

    Raises:
        UnsafePathError: The path leaves the directory.
        DestinationError: It cannot be written.
    """
    with PartFile(path, directory, "document", wait=True) as part:
        _fill(part, data)


def _fill(part: PartFile, data: bytes) -> None:
    part.start(0, None, len(data))
    part.write(data)
    part.commit()
