"""Internal: finds files on disk that cannot be the asset, such as login pages.

Earlier versions and other tools stored such files. Mirrors and `verify` call this.
"""

from __future__ import annotations

import os
from pathlib import Path

from stac_asset.config import Config
from stac_asset.errors import TransferError
from stac_asset.transfer.content import HEAD_SIZE
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
    candidate = Candidate(str(path), str(path))
    transfer = Transfer(
        owner="",
        key="",
        candidates=(candidate,),
        directory=str(path.parent),
        content_type=media_type if isinstance(media_type, str) else None,
        size=size,
        roles=tuple(filter(_is_text, roles)) if isinstance(roles, list) else (),
    )
    try:
        with open(path, "rb", opener=_open_file) as file:
            found = os.fstat(file.fileno()).st_size
            if not found:
                return empty_error(transfer, candidate, config)
            if not config.check_content or found > _MAX_SIZE:
                return None
            return content_error(transfer, candidate, file.read(HEAD_SIZE), config)
    except OSError:
        return None


def _open_file(path: str, flags: int) -> int:
    """Open a file without following a symlink, and without waiting for the writer of a pipe."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _is_text(value: object) -> bool:
    return isinstance(value, str)
