"""Client for local files: paths and `file:` URLs."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

from yarl import URL

from stac_asset.clients.range_client import RangeClient
from stac_asset.errors import AccessError, NotFoundError, SchemeError, TransferError
from stac_asset.hrefs import local_path
from stac_asset.redact import redact_href
from stac_asset.transfer.interface import Request, Response, Stat
from stac_asset.validate import directory_error

_CHUNK_SIZE = 1024 * 1024
"""Bytes per read."""


class FilesystemClient(RangeClient):
    """A client that reads files of this machine, from local paths and `file:` URLs.

    The expected content type is ignored, because filesystems don't have content types.
    """

    name = "filesystem"

    @asynccontextmanager
    async def fetch(self, request: Request) -> AsyncIterator[Response]:
        """Open a local file.

        Args:
            request: The file and the offset.

        Raises:
            SchemeError: The URL has a scheme other than `file`.
            NotFoundError: The file does not exist.
            AccessError: This user may not read the file.
            ContentError: The path is a directory.
            TransferError: The file cannot be read, or is a pipe or a device.
        """
        path = _path_from_url(request.url)
        try:
            file = open(path, "rb", buffering=0, opener=_open_nonblocking)  # noqa: SIM115 - closed below
        except OSError as error:
            raise _map_os_error(error, path) from error
        with file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise TransferError(f"File {path} cannot be read: it is a pipe or a device")
            validator = f"{found.st_mtime_ns}-{found.st_size}-{found.st_ino}"
            offset = request.offset if request.validator == validator else 0
            file.seek(offset)
            yield Response(_read_chunks(file, path), offset, found.st_size, validator)

    async def stat(self, request: Request) -> Stat:
        """Return the size of a local file.

        Args:
            request: The file.
        """
        async with self.fetch(request) as response:
            return Stat(size=response.size)


def _open_nonblocking(path: str, flags: int) -> int:
    """Open a file without blocking. Opening a pipe would otherwise wait for a writer."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


async def _read_chunks(file: BinaryIO, path: Path) -> AsyncIterator[bytes]:
    try:
        while block := file.read(_CHUNK_SIZE):
            yield block
    except OSError as error:
        raise _map_os_error(error, path) from error


def _path_from_url(url: URL) -> Path:
    if url.scheme not in ("", "file"):
        raise SchemeError(f"'{redact_href(url)}' is not a local file: its scheme is '{url.scheme}'")
    return local_path(str(url)) if url.scheme else Path(url.path)


def _map_os_error(error: OSError, path: Path) -> TransferError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return NotFoundError(f"File {path} does not exist{_searched_folder(path)}")
    if isinstance(error, IsADirectoryError):
        return directory_error(str(path))
    if isinstance(error, PermissionError):
        return AccessError(f"File {path} cannot be read: permission denied for this user")
    return TransferError(f"File {path} cannot be read: {error.strerror}")


def _searched_folder(path: Path) -> str:
    """Return the end of an error message that names the folder of a relative path."""
    if path.is_absolute():
        return ""
    try:
        return f" in the working directory {Path.cwd()}"
    except OSError:
        return ", because the working directory was removed"
