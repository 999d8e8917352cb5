"""Internal: finds existing files that cannot be the asset, such as login pages.

Earlier versions and other tools stored such files. Mirrors and `verify` call this.
"""

from __future__ import annotations

import os
from pathlib import Path

from stac_asset.config import Config
from stac_asset.destinations.interface import Destination
from stac_asset.errors import TransferError
from stac_asset.transfer.content import HEAD_SIZE, START_SIZE, may_be_text
from stac_asset.transfer.content_check import content_error, empty_error
from stac_asset.types import Candidate, Transfer

_MAX_SIZE = 1024 * 1024
"""Maximum size in bytes of a file that is examined. Web pages and error messages are smaller."""


def stored_error(
    path: Path, media_type: object, roles: object, config: Config, size: int | None = None
) -> TransferError | None:
    """Return the error for a file that is empty, or a web page in place of the asset.

    A file that cannot be read has no such error.

    Args:
        path: The file. A symlink has no error.
        media_type: The `type` of the asset. Any JSON value.
        roles: The `roles` of the asset. Any JSON value.
        config: Which content is accepted.
        size: The declared size of the file, in bytes, if any.
    """
    transfer = _transfer(str(path), media_type, roles, size)
    try:
        with open(path, "rb", opener=_open_file) as file:
            found = os.fstat(file.fileno()).st_size
            if not found:
                return empty_error(transfer, transfer.candidates[0], config)
            if not config.check_content or found > _MAX_SIZE:
                return None
            return content_error(transfer, transfer.candidates[0], file.read(HEAD_SIZE), config)
    except OSError:
        return None


async def found_error(
    destination: Destination,
    key: str,
    location: str,
    found: int,
    *,
    media_type: object,
    roles: object,
    config: Config,
    declared: int | None = None,
) -> TransferError | None:
    """Return the error for a file of a destination that is empty, or a web page.

    A file that cannot be read has no such error.

    Args:
        destination: The destination.
        key: The key of the file.
        location: The location of the file, for messages.
        found: Size of the file in bytes.
        media_type: The `type` of the asset. Any JSON value.
        roles: The `roles` of the asset. Any JSON value.
        config: Which content is accepted.
        declared: The declared size of the file, in bytes, if any.
    """
    transfer = _transfer(location, media_type, roles, declared)
    if not found:
        return empty_error(transfer, transfer.candidates[0], config)
    if not config.check_content or found > _MAX_SIZE:
        return None
    if not may_be_text(await destination.head(key, START_SIZE)):
        return None
    head = await destination.head(key, HEAD_SIZE)
    return content_error(transfer, transfer.candidates[0], head, config)


def _transfer(location: str, media_type: object, roles: object, size: int | None) -> Transfer:
    """Return the transfer of an existing file, from any JSON values."""
    return Transfer(
        owner="",
        key="",
        candidates=(Candidate(location, location),),
        directory=location.rpartition("/")[0],
        content_type=media_type if isinstance(media_type, str) else None,
        size=size,
        roles=tuple(filter(_is_text, roles)) if isinstance(roles, list) else (),
    )


def _open_file(path: str, flags: int) -> int:
    """Open a file without following a symlink, and without waiting for the writer of a pipe."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _is_text(value: object) -> bool:
    return isinstance(value, str)
