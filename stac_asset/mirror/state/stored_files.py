"""Internal: finds stored files that cannot be the asset, such as login pages.

Earlier versions stored such files. The index records which items were examined, so that later runs
need not read the files again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stac_asset.config import Config
from stac_asset.transfer.content import HEAD_SIZE
from stac_asset.transfer.content_check import content_error, empty_error
from stac_asset.types import Candidate, Transfer

_MAX_SIZE = 1024 * 1024
"""Maximum size in bytes of a file that is examined. Web pages and error messages are smaller."""


def unusable_files(
    assets: Any, folder: Path, files: Mapping[str, tuple[str, int | None]], config: Config
) -> tuple[str, ...]:
    """Return the keys of assets with an empty file, or with a web page in place of the file.

    Args:
        assets: The assets of the item's document, of any shape.
        folder: The folder of the document.
        files: Name and size of each asset's file, by asset key.
        config: Which content is accepted.
    """
    return tuple(
        key
        for key, (name, _) in files.items()
        if _is_unusable(key, assets[key], folder / name, config)
    )


def _is_unusable(key: str, asset: Mapping[str, Any], path: Path, config: Config) -> bool:
    media_type, roles = asset.get("type"), asset.get("roles")
    candidate = Candidate(str(path), str(path))
    transfer = Transfer(
        owner="",
        key=key,
        candidates=(candidate,),
        directory=str(path.parent),
        content_type=media_type if isinstance(media_type, str) else None,
        roles=tuple(filter(_is_text, roles)) if isinstance(roles, list) else (),
    )
    try:
        with open(path, "rb", opener=_open_file) as file:
            size = os.fstat(file.fileno()).st_size
            if not size:
                return empty_error(transfer, candidate, config) is not None
            if not config.check_content or size > _MAX_SIZE:
                return False
            return content_error(transfer, candidate, file.read(HEAD_SIZE), config) is not None
    except OSError:
        return False


def _open_file(path: str, flags: int) -> int:
    """Open a file without following a symlink, and without waiting for the writer of a pipe."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _is_text(value: object) -> bool:
    return isinstance(value, str)
