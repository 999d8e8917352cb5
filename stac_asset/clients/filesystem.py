"""Files of this machine."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

from yarl import URL

from stac_asset.clients.base import RangeClient
from stac_asset.errors import AccessError, NotFoundError, SchemeError, TransferError
from stac_asset.hrefs import local_path
from stac_asset.redact import redact_href
from stac_asset.transfer.interface import Request, Response, Stat

_BLOCK = 1024 * 1024


class FilesystemClient(RangeClient):
    """A simple client for moving files around on the filesystem.

    It reads local paths and `file:` URLs. Filesystems don't have content types, so the expected
    one is ignored.
    """

    name = "filesystem"

    @asynccontextmanager
    async def fetch(self, request: Request) -> AsyncIterator[Response]:
        """Opens a local file.

        Args:
            request: What is wanted.

        Raises:
            SchemeError: The url has a scheme other than `file`.
            NotFoundError: There is no such file.
            AccessError: It must not be read.
        """
        path = _path(request.url)
        try:
            file = open(path, "rb", buffering=0, opener=_opened)  # noqa: SIM115 - closed below
        except OSError as error:
            raise _mapped(error, path) from error
        with file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise TransferError(f"the file {path} cannot be read: it is a pipe or a device")
            validator = f"{found.st_mtime_ns}-{found.st_size}-{found.st_ino}"
            offset = request.offset if request.validator == validator else 0
            file.seek(offset)
            yield Response(_blocks(file, path), offset, found.st_size, validator)

    async def stat(self, request: Request) -> Stat:
        """Returns the size of a local file.

        Args:
            request: What is meant.
        """
        async with self.fetch(request) as response:
            return Stat(size=response.size)


def _opened(path: str, flags: int) -> int:
    """Opens a file without waiting, as a pipe would make us do for somebody to write to it."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


async def _blocks(file: BinaryIO, path: Path) -> AsyncIterator[bytes]:
    try:
        while block := file.read(_BLOCK):
            yield block
    except OSError as error:
        raise _mapped(error, path) from error


def _path(url: URL) -> Path:
    if url.scheme not in ("", "file"):
        raise SchemeError(f"'{redact_href(url)}' is no local file: it has a scheme")
    return local_path(str(url)) if url.scheme else Path(url.path)


def _mapped(error: OSError, path: Path) -> TransferError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return NotFoundError(f"there is no file {path}")
    if isinstance(error, PermissionError):
        return AccessError(f"the file {path} must not be read by this user")
    return TransferError(f"the file {path} cannot be read: {error.strerror}")
